#!/usr/bin/env python3
"""benchmarks/rows.py: packed results are unpacked unchanged, and the summary agrees with the rows."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, os.path.join(ROOT, "benchmarks"))
import cases  # noqa: E402
import rows  # noqa: E402

RESULT = {"kind": "compress", "manifest": {"command": "vitrim compress", "seed": 3, "git_commit": ""}, "removed": [1], "held_out_kl": 0.5,
          "dense": {"params": 10, "macs": 20, "top1": 0.5, "top1_ci95": [0.4, 0.6], "correct": "0101"}, "compressed": {"params": 8, "macs": 15, "top1": 0.4, "correct": "0100"}}


class Rows(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vitrim-rows-")
        self.addCleanup(shutil.rmtree, self.folder)

    def files(self):
        found = {}
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), "rb") as file:
                found[name] = file.read()
        return found

    def call(self, verb):
        return subprocess.run([sys.executable, os.path.join(ROOT, "benchmarks", "rows.py"), verb, self.folder], capture_output=True, text=True, check=False)

    def test_packed_and_unpacked(self):
        texts = {"a.seed0.json": json.dumps(RESULT).encode(), "a.seed0.jsonl": b'{"event": "start"}\n', "a.log": b"told\n"}
        for name, text in texts.items():
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(text)
        self.assertEqual(self.call("pack").returncode, 0)
        first = self.files()
        self.assertEqual(sorted(first), ["rows.tar.xz", "summary.json"])
        self.assertEqual(rows.documents(self.folder), {"a.seed0": RESULT})
        summary = json.loads(first["summary.json"])["a.seed0"]
        self.assertEqual((summary["command"], summary["removed"], summary["compressed"]), ("vitrim compress", [1], {"params": 8, "macs": 15, "top1": 0.4}))
        self.assertNotIn("git_commit", summary)
        self.assertEqual(self.call("unpack").returncode, 0)
        self.assertEqual({name: text for name, text in self.files().items() if name in texts}, texts)
        self.assertEqual(self.call("pack").returncode, 0)
        self.assertEqual(self.files(), first)  # the same rows, the same bytes

    def test_a_file_goes_before_the_archive(self):
        with open(os.path.join(self.folder, "a.json"), "w", encoding="utf-8") as file:
            json.dump(RESULT, file)
        self.call("pack")
        with open(os.path.join(self.folder, "a.json"), "w", encoding="utf-8") as file:
            json.dump({**RESULT, "removed": [2]}, file)
        self.assertEqual(rows.documents(self.folder)["a"]["removed"], [2])

    def test_nothing_to_pack(self):
        done = self.call("pack")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no results", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])


class Repository(unittest.TestCase):
    def test_results_are_small(self):
        """All results together stay below a megabyte; a study of many rows is packed."""
        total = 0
        for folder, _, names in os.walk(os.path.join(ROOT, "benchmarks", "results")):
            total += sum(os.path.getsize(os.path.join(folder, name)) for name in names)
        self.assertGreater(total, 0)
        self.assertLess(total, 1_000_000, "pack new studies: benchmarks/rows.py pack FOLDER")


if __name__ == "__main__":
    cases.main("rows")
