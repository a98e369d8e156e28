#!/usr/bin/env python3
"""The C interface, called as from another language: libvitrim through ctypes, compared with the predictions of `vitrim eval`.

VITRIM_LIBRARY names the library, VITRIM_BINARY the program.
"""

import array
import ctypes
import os
import random
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import cases  # noqa: E402
from program_case import Case, write_model  # noqa: E402

LIBRARY = os.environ.get("VITRIM_LIBRARY", "build/release/libvitrim.so")


class Shape(ctypes.Structure):
    _fields_ = [("channels", ctypes.c_int64), ("height", ctypes.c_int64), ("width", ctypes.c_int64), ("outputs", ctypes.c_int64),
                ("mean", ctypes.c_float * 3), ("std", ctypes.c_float * 3)]


class Hints(ctypes.Structure):
    _fields_ = [("num_heads", ctypes.c_int64), ("image_size", ctypes.c_int64), ("stream_gain", ctypes.c_double), ("norm_eps", ctypes.c_double),
                ("activation", ctypes.c_char_p), ("pooling", ctypes.c_char_p), ("weights", ctypes.c_char_p)]


def library():
    lib = ctypes.CDLL(LIBRARY)
    lib.vitrim_load.restype = ctypes.c_void_p
    lib.vitrim_load.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    lib.vitrim_load_as.restype = ctypes.c_void_p
    lib.vitrim_load_as.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(Hints)]
    lib.vitrim_warnings.restype = ctypes.c_char_p
    lib.vitrim_warnings.argtypes = [ctypes.c_void_p]
    lib.vitrim_get_shape.argtypes = [ctypes.c_void_p, ctypes.POINTER(Shape)]
    lib.vitrim_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64, ctypes.POINTER(ctypes.c_float)]
    lib.vitrim_run_sized.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_float), ctypes.c_int64]
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

    def sized(self, engine, image_values, batch, out_values, images=True, out=True):
        """The status and the sentence of a call on buffers of these sizes."""
        pixels = (ctypes.c_float * max(image_values, 1))() if images else None
        room = (ctypes.c_float * max(out_values, 1))() if out else None
        status = self.lib.vitrim_run_sized(engine, pixels, image_values, batch, room, out_values)
        return status, self.lib.vitrim_error().decode()

    def test_sizes_are_checked(self):
        engine, size = self.load(), 3 * 32 * 32
        self.assertEqual(self.sized(engine, 2 * size, 2, 20)[0], 0)
        self.assertEqual(self.sized(engine, 0, 0, 0)[0], 0)
        for arguments, words in (((2 * 1024, 2, 20), "[2, 3, 32, 32], but 2048 values"), ((2 * size, 1, 10), "[1, 3, 32, 32]"), ((2 * size, 2, 19), "outputs of 2 images"),
                                 ((2 * size, -2, 20), "negative"), ((-1, 2, 20), "negative"), ((2 * size, 2, -20), "negative"), ((size, 2**60, 10), "images must be"),
                                 ((2 * size, 2**63 - 1, 20), "images must be"), ((size, 1, 10, False), "images is NULL"), ((size, 1, 10, True, False), "out is NULL")):
            with self.subTest(arguments):
                status, sentence = self.sized(engine, *arguments)
                self.assertEqual(status, 1)
                self.assertIn(words, sentence)
        self.assertEqual(self.lib.vitrim_run(engine, (ctypes.c_float * 1)(), 2**62, (ctypes.c_float * 1)()), 1)
        self.assertEqual(self.lib.vitrim_run(engine, (ctypes.c_float * 1)(), -1, (ctypes.c_float * 1)()), 1)
        self.assertEqual(self.lib.vitrim_get_shape(engine, None), 1)
        self.assertIn("shape is NULL", self.lib.vitrim_error().decode())
        self.lib.vitrim_free(engine)

    def test_what_is_no_engine_is_refused(self):
        freed = self.load()
        self.lib.vitrim_free(freed)
        self.lib.vitrim_free(freed)
        other = self.load()
        self.assertNotEqual(freed, other)
        for handle, words in ((None, "engine is NULL"), (freed, "freed"), (0xdead0, "not returned by vitrim_load")):
            status, sentence = self.sized(handle, 3072, 1, 10)
            self.assertEqual(status, 1)
            self.assertIn(words, sentence)
            self.assertEqual(self.lib.vitrim_get_shape(handle, ctypes.byref(Shape())), 1)
            self.lib.vitrim_free(handle)
        self.assertEqual(self.sized(other, 3072, 1, 10)[0], 0)
        self.lib.vitrim_free(other)

    def test_files_that_are_none(self):
        os.mkdir(self.path("folder"))
        self.write("empty.safetensors", b"")
        self.write("text.safetensors", b"hello")
        self.write("huge.safetensors", b"\xff" * 7 + b"\x7f{}")
        deep = b'{"__metadata__":{"vitrim.spec":' + b"[" * 100000 + b"}}"
        self.write("deep.safetensors", len(deep).to_bytes(8, "little") + deep)
        spec = b'{"__metadata__":{"vitrim.spec":"' + b"[" * 100000 + b'"}}'
        self.write("deep_spec.safetensors", len(spec).to_bytes(8, "little") + spec)
        for name in ("folder", "empty.safetensors", "text.safetensors", "huge.safetensors", "deep.safetensors", "deep_spec.safetensors"):
            with self.subTest(name):
                self.assertIsNone(self.load(name))
                self.assertIn(name, self.lib.vitrim_error().decode())
        for threads in (-1, 1025, 2**31 - 1):
            self.assertIsNone(self.load(threads=threads))
            self.assertIn("threads", self.lib.vitrim_error().decode())

    def test_freed_while_it_runs(self):
        """Runs that are in progress finish normally; later ones are refused."""
        for _ in range(5):
            engine, statuses = self.load(), []

            def work(engine=engine, statuses=statuses):
                while True:
                    status, sentence = self.sized(engine, 64 * 3072, 64, 640)
                    statuses.append((status, sentence if status else ""))
                    if status:
                        return

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            time.sleep(0.05)
            self.lib.vitrim_free(engine)
            for thread in threads:
                thread.join()
            self.assertEqual({status for status, _ in statuses}, {0, 1})
            self.assertEqual({sentence for _, sentence in statuses}, {"", "engine was not returned by vitrim_load, or it was freed"})

    def test_errors_belong_to_their_thread(self):
        self.load("nowhere.safetensors")
        seen = []
        thread = threading.Thread(target=lambda: seen.append(self.lib.vitrim_error()))
        thread.start()
        thread.join()
        self.assertEqual(seen, [b""])
        self.assertIn(b"nowhere", self.lib.vitrim_error())

    def in_child(self, work):
        """The result of `work` in a forked process, as text."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, repr(work()).encode())
            finally:
                os._exit(0)
        os.close(writing)
        deadline = time.monotonic() + 30
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, 9)
                os.waitpid(child, 0)
                self.fail("the forked process hung")
            time.sleep(0.02)
        with os.fdopen(reading, "rb") as file:
            return file.read().decode()

    def test_forked_processes(self):
        """A child runs what its parent loaded, loads engines of its own, and frees either."""
        engine = self.load()
        wanted, pixels = (ctypes.c_float * 10)(), (ctypes.c_float * 3072)(*([0.5] * 3072))
        self.assertEqual(self.lib.vitrim_run(engine, pixels, 1, wanted), 0)

        def work():
            out = []
            for one in (engine, self.load()):
                got = (ctypes.c_float * 10)()
                out.append((self.lib.vitrim_run(one, pixels, 1, got), list(got) == list(wanted)))
                self.lib.vitrim_free(one)
            return out

        for _ in range(3):
            self.assertEqual(self.in_child(work), "[(0, True), (0, True)]")
        got = (ctypes.c_float * 10)()
        self.assertEqual((self.lib.vitrim_run(engine, pixels, 1, got), list(got)), (0, list(wanted)))
        self.lib.vitrim_free(engine)

    def test_hints_and_warnings(self):
        """A file that says nothing: refused with what to say, read as it is said, and what is assumed comes with it."""
        write_model(self.path("bare.safetensors"), width=32, metadata={}, without=(1,))
        path = self.path("bare.safetensors").encode()

        def load(**said):
            return self.lib.vitrim_load_as(path, 1, b"f32", ctypes.byref(Hints(**said)))

        self.assertIsNone(self.lib.vitrim_load(path, 1, b"f32"))
        self.assertIn("--num-heads", self.lib.vitrim_error().decode())
        self.assertIsNone(load(num_heads=2))
        self.assertIn("--stream-gain", self.lib.vitrim_error().decode())
        guessed, stated, larger = load(num_heads=2, stream_gain=2), load(num_heads=2, image_size=32, stream_gain=2, norm_eps=1e-6, activation=b"gelu", pooling=b"token"), load(num_heads=2, stream_gain=1, image_size=64)
        self.assertTrue(guessed and stated and larger, self.lib.vitrim_error())
        self.assertRegex(self.lib.vitrim_warnings(guessed).decode(), r"bare\.safetensors: its files do not state everything.*norm_eps.*activation.*\n.*how its images were normalised; assumed: mean 0\.5")
        self.assertRegex(self.lib.vitrim_warnings(stated).decode(), r"^[^\n]*how its images were normalised[^\n]*$")
        shape = Shape()
        self.assertEqual((self.lib.vitrim_get_shape(larger, ctypes.byref(shape)), shape.height), (0, 64))
        for said, words in ((dict(num_heads=-1), "num_heads"), (dict(num_heads=2, stream_gain=float("nan")), "stream_gain"), (dict(num_heads=2, stream_gain=2, norm_eps=-1.0), "norm_eps"),
                            (dict(num_heads=2, activation=b"swish"), "the nearest name"), (dict(num_heads=2, pooling=b"max"), "token or average"), (dict(num_heads=2, weights=b"ema"), "ema")):
            with self.subTest(said):
                self.assertIsNone(load(**said))
                self.assertIn(words, self.lib.vitrim_error().decode())
        own = self.load()
        self.assertEqual(self.lib.vitrim_warnings(own), b"")
        for handle in (None, 0xdead0):
            self.assertEqual(self.lib.vitrim_warnings(handle), b"")
        for engine in (guessed, stated, larger, own):
            self.lib.vitrim_free(engine)

    def test_shows_its_functions_only(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
        names = sorted(line.split()[-1] for line in symbols.splitlines() if line.strip())
        self.assertEqual(names, ["vitrim_error", "vitrim_free", "vitrim_get_shape", "vitrim_load", "vitrim_load_as", "vitrim_prepare", "vitrim_run", "vitrim_run_sized",
                                 "vitrim_warnings"])


if __name__ == "__main__":
    cases.main("capi")
