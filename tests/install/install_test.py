#!/usr/bin/env python3
"""Installs the build tree that VITRIM_BUILD names into a temporary folder and uses it from there, as another project would."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import cases  # noqa: E402

ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
BUILD = os.environ.get("VITRIM_BUILD", os.path.join(ROOT, "build", "release"))
CMAKE = os.environ.get("VITRIM_CMAKE", "cmake")
MODEL = "deit_tiny_patch16_224"


def run(*command):
    """Runs without LD_LIBRARY_PATH and returns all output; raises with it where the command fails."""
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "GTEST_OUTPUT")}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False)
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{text}")
    return text


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vitrim-install-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        first = os.path.join(cls.folder, "first")
        run(CMAKE, "--install", BUILD, "--prefix", first)
        # It must still work after it is moved, so nothing in it may contain the path of installation.
        cls.prefix = os.path.join(cls.folder, "moved")
        os.rename(first, cls.prefix)

    def files(self):
        for folder, _, names in os.walk(self.prefix):
            for name in names:
                yield os.path.join(folder, name)

    def test_program_runs_without_library_path(self):
        for program in (os.path.join(self.prefix, "bin", "vitrim"), os.path.join(BUILD, "vitrim")):
            with self.subTest(program):
                self.assertRegex(run(program, "--version"), r"^vitrim \d+\.\d+\.\d+")
                self.assertIn("MACs", run(program, "inspect", MODEL))

    def test_package_names_no_folder_of_the_build(self):
        for path in self.files():
            if path.endswith(".cmake"):
                with open(path, encoding="utf-8") as file:
                    text = file.read()
                for folder in (ROOT + "/", BUILD, os.path.join(self.folder, "first")):
                    # The one exception is a LibTorch in the source tree's own .venv.
                    self.assertNotIn(folder, text.replace(os.path.join(ROOT, ".venv"), ""), path)

    def test_every_public_header_is_there(self):
        source = os.path.join(ROOT, "include", "vitrim")
        for folder, _, names in os.walk(source):
            for name in names:
                relative = os.path.relpath(os.path.join(folder, name), source)
                self.assertTrue(os.path.exists(os.path.join(self.prefix, "include", "vitrim", relative)), relative)

    def test_example_builds_and_runs(self):
        build = os.path.join(self.folder, "example")
        flags = ["-DCMAKE_PREFIX_PATH=" + self.prefix, "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS=" + os.environ.get("VITRIM_CXX_FLAGS", "")]
        if os.environ.get("VITRIM_CXX"):
            flags.append("-DCMAKE_CXX_COMPILER=" + os.environ["VITRIM_CXX"])
        if os.environ.get("VITRIM_GENERATOR"):
            flags += ["-G", os.environ["VITRIM_GENERATOR"]]
        run(CMAKE, "-S", os.path.join(ROOT, "examples", "classify_or_compress"), "-B", build, *flags)
        run(CMAKE, "--build", build)
        program, out = os.path.join(build, "classify_or_compress"), os.path.join(self.folder, "out.safetensors")
        before, after = map(int, re.search(r"parameters: (\d+) before, (\d+) after", run(program, MODEL, out, "0", "1", "3")).groups())
        # norm1, qkv and proj of three blocks, width 192.
        self.assertEqual(before - after, 3 * (2 * 192 + 4 * 192 * 192 + 4 * 192))
        self.assertIn("none", run(os.path.join(self.prefix, "bin", "vitrim"), "inspect", out))
        self.assertRegex(run(program, out, "synthetic:test:1"), r"class \d+")
        # The engine's example on what the first one wrote.
        build = os.path.join(self.folder, "engine")
        run(CMAKE, "-S", os.path.join(ROOT, "examples", "classify_jpegs"), "-B", build, *flags)
        run(CMAKE, "--build", build)
        lines = run(os.path.join(build, "classify_jpegs"), out, "synthetic:test:3", "2").strip().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"class \d+")


if __name__ == "__main__":
    cases.main("install")
