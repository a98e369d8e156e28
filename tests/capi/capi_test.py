#!/usr/bin/env python3
"""The C interface, called as another language would: libvitrim through ctypes, held against `vitrim eval`'s predictions.

VITRIM_LIBRARY names the library, VITRIM_BINARY the program.
"""

import array
import ctypes
import os
import random
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import cases  # noqa: E402
from program_case import Case  # noqa: E402

LIBRARY = os.environ.get("VITRIM_LIBRARY", "build/release/libvitrim.so")


class Shape(ctypes.Structure):
    _fields_ = [("channels", ctypes.c_int64), ("height", ctypes.c_int64), ("width", ctypes.c_int64), ("outputs", ctypes.c_int64),
                ("mean", ctypes.c_float * 3), ("std", ctypes.c_float * 3)]


def library():
    lib = ctypes.CDLL(LIBRARY)
    lib.vitrim_load.restype = ctypes.c_void_p
    lib.vitrim_load.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    lib.vitrim_get_shape.argtypes = [ctypes.c_void_p, ctypes.POINTER(Shape)]
    lib.vitrim_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64, ctypes.POINTER(ctypes.c_float)]
    lib.vitrim_free.argtypes = [ctypes.c_void_p]
    lib.vitrim_error.restype = ctypes.c_char_p
    return lib


class Interface(Case):
    def setUp(self):
        super().setUp()
        self.lib = library()

    def load(self, name="model.safetensors", threads=2, precision=b"f32"):
        return self.lib.vitrim_load(self.path(name).encode(), threads, precision)

    def test_runs_and_agrees_with_itself(self):
        one, two = self.load(threads=1), self.load(threads=2)
        self.assertTrue(one and two, self.lib.vitrim_error())
        shape = Shape()
        self.assertEqual(self.lib.vitrim_get_shape(one, ctypes.byref(shape)), 0)
        self.assertEqual((shape.channels, shape.height, shape.width, shape.outputs), (3, 32, 32, 10))
        self.assertEqual(list(shape.mean), [0.5] * 3)
        draw = random.Random(3)
        batch, size = 5, 3 * 32 * 32
        images = array.array("f", (draw.gauss(0, 1) for _ in range(batch * size)))
        pixels = (ctypes.c_float * len(images)).from_buffer(images)
        together, alone = (ctypes.c_float * (batch * 10))(), (ctypes.c_float * 10)()
        self.assertEqual(self.lib.vitrim_run(two, pixels, batch, together), 0)
        for i in range(batch):
            row = (ctypes.c_float * size).from_buffer(images, 4 * size * i)
            self.assertEqual(self.lib.vitrim_run(one, row, 1, alone), 0)
            for a, b in zip(alone, together[10 * i:10 * i + 10]):
                self.assertAlmostEqual(a, b, delta=1e-5 * (1 + abs(a)))
        self.assertGreater(max(together) - min(together), 0)
        self.lib.vitrim_free(one)
        self.lib.vitrim_free(two)
        self.lib.vitrim_free(None)

    def test_failures_are_sentences(self):
        for arguments, words in (((b"nowhere.safetensors", 1, None), "nowhere.safetensors"), ((None, 1, None), "path is NULL"),
                                 ((self.path("model.safetensors").encode(), 0, None), "0 threads"),
                                 ((self.path("model.safetensors").encode(), 1, b"f16"), "no precision 'f16'"),
                                 ((b"deit_tiny_patch16_224", 1, None), "no such file")):
            self.assertIsNone(self.lib.vitrim_load(*arguments))
            self.assertIn(words, self.lib.vitrim_error().decode())
        engine = self.load()
        self.assertEqual(self.lib.vitrim_run(engine, None, 1, None), 1)
        self.assertIn("images is NULL", self.lib.vitrim_error().decode())
        self.assertEqual(self.lib.vitrim_run(engine, None, 0, None), 0)
        self.lib.vitrim_free(engine)

    def test_shows_its_five_functions_only(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
        names = sorted(line.split()[-1] for line in symbols.splitlines() if line.strip())
        self.assertEqual(names, ["vitrim_error", "vitrim_free", "vitrim_get_shape", "vitrim_load", "vitrim_run"])


if __name__ == "__main__":
    cases.main("capi")
