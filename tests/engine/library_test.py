#!/usr/bin/env python3
"""libvitrim as a user deploys it: its dependencies, its size, its exported symbols, and that it can run a checkpoint alone.

VITRIM_LIBRARY names the library.
"""

import array
import ctypes
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import cases  # noqa: E402

LIBRARY = os.environ.get("VITRIM_LIBRARY", "build/engine/libvitrim.so")
MODEL = os.path.join(HERE, "..", "..", "models", "synthetic_vit.safetensors")
MOST_BYTES = 6 << 20
ALLOWED = re.compile(r"^(libc|libm|libz|libpthread|libgcc_s|ld-linux-[\w-]+)\.so(\.\d+)*$")


def needed(library):
    """The libraries that the dynamic linker loads with it."""
    text = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", text)


class Library(unittest.TestCase):
    def test_needs_the_system_only(self):
        names = needed(LIBRARY)
        self.assertIn("libc.so.6", names)
        self.assertEqual([name for name in names if not ALLOWED.match(name)], [])

    def test_is_small(self):
        with tempfile.TemporaryDirectory() as folder:
            stripped = os.path.join(folder, "libvitrim.so")
            subprocess.run(["strip", "--strip-unneeded", "-o", stripped, LIBRARY], check=True)
            self.assertLess(os.path.getsize(stripped), MOST_BYTES)

    def test_shows_its_functions_only(self):
        text = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
        names = [line.split()[-1] for line in text.splitlines()]
        self.assertIn("vitrim_load", names)
        self.assertEqual([name for name in names if not name.startswith("vitrim_")], [])

    def test_runs_a_checkpoint(self):
        lib = ctypes.CDLL(LIBRARY)
        lib.vitrim_load.restype = ctypes.c_void_p
        lib.vitrim_load.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
        lib.vitrim_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
        lib.vitrim_get_shape.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        lib.vitrim_free.argtypes = [ctypes.c_void_p]
        lib.vitrim_error.restype = ctypes.c_char_p
        engine = lib.vitrim_load(MODEL.encode(), 1, b"f32")
        self.assertTrue(engine, lib.vitrim_error())
        shape = (ctypes.c_int64 * 8)()  # four sizes, then six floats
        self.assertEqual(lib.vitrim_get_shape(engine, shape), 0)
        channels, height, width, outputs = shape[:4]
        draw = random.Random(1)
        images = array.array("f", (draw.gauss(0, 1) for _ in range(2 * channels * height * width)))
        both, second = (ctypes.c_float * (2 * outputs))(), (ctypes.c_float * outputs)()
        address = images.buffer_info()[0]
        self.assertEqual(lib.vitrim_run(engine, address, 2, both), 0)
        self.assertEqual(lib.vitrim_run(engine, address + 4 * channels * height * width, 1, second), 0)
        self.assertTrue(all(math.isfinite(x) for x in both))
        self.assertGreater(max(both) - min(both), 0.1)
        for one, other in zip(both[outputs:], second):
            self.assertAlmostEqual(one, other, delta=1e-4 * max(1, abs(one)))
        lib.vitrim_free(engine)

    def test_the_check_sees_a_library_too_many(self):
        self.assertIsNone(ALLOWED.match("libtorch_cpu.so"))
        self.assertIsNone(ALLOWED.match("libgomp.so.1"))
        self.assertIsNone(ALLOWED.match("libstdc++.so.6"))
        self.assertTrue(shutil.which("readelf"))


if __name__ == "__main__":
    cases.main("libvitrim")
