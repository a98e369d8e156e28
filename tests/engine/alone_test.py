#!/usr/bin/env python3
"""Builds the engine in a clean folder without LibTorch, and runs the library's tests on the result.

VITRIM_CMAKE, VITRIM_CXX and VITRIM_GENERATOR come from the build.
"""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, ".."))
import cases  # noqa: E402


class Alone(unittest.TestCase):
    def run_all(self, *command):
        environment = {key: value for key, value in os.environ.items() if key not in ("VITRIM_TORCH", "PYTHONPATH", "CMAKE_PREFIX_PATH")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-4000:])
        return done.stdout + done.stderr

    def test_builds_without_libtorch(self):
        cmake = os.environ.get("VITRIM_CMAKE", "cmake")
        with tempfile.TemporaryDirectory(prefix="vitrim-engine-") as build:
            # Hardly optimised but for the kernels: what is tested is that it compiles, links and runs.
            self.run_all(cmake, "-S", ROOT, "-B", build, "-G", os.environ.get("VITRIM_GENERATOR", "Ninja"),
                         "-DCMAKE_CXX_COMPILER=" + os.environ.get("VITRIM_CXX", "c++"), "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1",
                         "-DVITRIM_TORCH=OFF", "-DVITRIM_IMAGE_FILES=OFF", "-DCMAKE_UNITY_BUILD=ON",
                         "-DVITRIM_BUILD_REPORT=OFF", "-DVITRIM_BUILD_TESTS=OFF", "-DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON")
            with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
                self.assertNotIn("Torch_DIR", file.read().replace("CMAKE_DISABLE_FIND_PACKAGE_Torch", ""))
            self.run_all(cmake, "--build", build, "--parallel", str(min(4, os.cpu_count() or 1)), "--target", "vitrim_c", "vitrim_select")
            library = os.path.join(build, "libvitrim.so")
            os.environ["VITRIM_LIBRARY"] = library
            out = self.run_all(sys.executable, os.path.join(HERE, "library_test.py"))
            self.assertIn("OK", out)


if __name__ == "__main__":
    cases.main("engine_alone")
