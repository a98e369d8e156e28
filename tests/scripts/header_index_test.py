#!/usr/bin/env python3
"""scripts/header_index.py: the first page of the headers' reference names every public header, each with the first sentence of its comment."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, ".."))
import cases  # noqa: E402


def index(folder):
    return subprocess.run([sys.executable, os.path.join(ROOT, "scripts", "header_index.py"), folder], check=True, capture_output=True, text=True).stdout


class HeaderIndex(unittest.TestCase):
    def test_the_first_sentence_ends_at_its_point(self):
        with tempfile.TemporaryDirectory(prefix="vitrim-headers-") as folder:
            os.makedirs(os.path.join(folder, "lib", "part"))
            with open(os.path.join(folder, "lib", "part", "one.h"), "w", encoding="utf-8") as file:
                file.write("#pragma once\n// Reads v1.2 of files,\n// as a <name> says. It writes none.\n\n// another comment\n")
            self.assertTrue(index(os.path.join(folder, "lib")).endswith(
                '\n## part\n\n- @ref lib/part/one.h "lib/part/one.h": Reads v1.2 of files, as a &lt;name> says.\n'))

    def test_every_public_header_states_its_purpose(self):
        folder = os.path.join(ROOT, "include", "vitrim")
        lines = [line for line in index(folder).splitlines() if line.startswith("- ")]
        headers = sum(name.endswith(".h") for _, _, names in os.walk(folder) for name in names)
        self.assertEqual(len(lines), headers)
        self.assertEqual([line for line in lines if not line.endswith(".")], [])


if __name__ == "__main__":
    cases.main("header_index")
