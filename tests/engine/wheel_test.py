#!/usr/bin/env python3
"""vitrim-runtime's Python code on the library of the build: arrays, threads, pickling, forks, and `vitrim eval`'s answers.

VITRIM_LIBRARY names the library. With pip and scikit-build-core at hand (VITRIM_WHEEL=1) the wheel itself is made and installed first.
"""

import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(ROOT, "python", "runtime")]
import cases  # noqa: E402

try:
    import numpy
    import vitrim_runtime
except ImportError as missing:
    numpy = None
    WHY = f"{missing}; install NumPy"

MODEL = os.path.join(ROOT, "models", "synthetic_vit.safetensors")


@unittest.skipIf(numpy is None, "NumPy is not installed")
class Runtime(unittest.TestCase):
    def setUp(self):
        self.engine = vitrim_runtime.Engine(MODEL, threads=2, precision="f32")
        self.images = numpy.random.default_rng(5).standard_normal((5, *self.engine.input_shape), dtype=numpy.float32)

    def test_every_image_by_itself(self):
        together = self.engine.run(self.images)
        self.assertEqual(together.shape, (5, self.engine.outputs))
        alone = numpy.concatenate([self.engine.run(image[None]) for image in self.images])
        numpy.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)
        self.assertGreater(numpy.ptp(together), 0.1)
        self.assertEqual(self.engine.run(self.images[:0]).shape, (0, self.engine.outputs))

    def test_arrays_in_other_orders(self):
        turned = numpy.asfortranarray(self.images)
        numpy.testing.assert_array_equal(self.engine.run(turned), self.engine.run(self.images))

    def test_preprocess(self):
        channels, height, width = self.engine.input_shape
        pixels = numpy.random.default_rng(6).integers(0, 256, (2, height, width, channels), dtype=numpy.uint8)
        got = self.engine.preprocess(pixels)
        self.assertEqual(got.shape, (2, channels, height, width))
        self.assertAlmostEqual(float(got[1, 2, 3, 4]), (pixels[1, 3, 4, 2] / 255 - 0.5) / 0.5, places=5)
        with self.assertRaisesRegex(ValueError, "expected uint8 images"):
            self.engine.preprocess(pixels[:, 1:])

    def test_wrong_arrays_and_files(self):
        with self.assertRaisesRegex(ValueError, "expected float32 images"):
            self.engine.run(self.images.astype(numpy.float64))
        with self.assertRaisesRegex(vitrim_runtime.VitrimError, "no/such.safetensors"):
            vitrim_runtime.Engine("no/such.safetensors")
        with self.assertRaises(ValueError):
            vitrim_runtime.Engine(MODEL, precision="f16")

    def test_what_is_assumed_is_a_warning(self):
        """The model's tensors under no metadata: heads are asked for, and what is taken as usual is said at the line that asked."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bare.safetensors")
            with open(MODEL, "rb") as file:
                size, = struct.unpack("<Q", file.read(8))
                header, body = json.loads(file.read(size)), file.read()
            spec = json.loads(header.pop("__metadata__")["vitrim.spec"])
            text = json.dumps(header).encode()
            with open(path, "wb") as file:
                file.write(struct.pack("<Q", len(text)) + text + body)
            said = dict(num_heads=spec["blocks"][0]["num_heads"], norm_eps=spec["norm_eps"], activation="gelu", pooling="token")
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                engine = vitrim_runtime.Engine(path, threads=2, precision="f32", num_heads=said["num_heads"])
                again = pickle.loads(pickle.dumps(engine))
            self.assertEqual({warning.filename for warning in seen}, {__file__})
            self.assertRegex("\n".join(str(warning.message) for warning in seen), "bare.safetensors: its files do not say everything(.|\n)*how its images were normalised")
            self.assertEqual(len({str(warning.message) for warning in seen}), len(seen), "once")
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*normalised")
                warnings.filterwarnings("error", ".*its files do not say")
                stated = vitrim_runtime.Engine(path, threads=2, precision="f32", **said)
            for one in (engine, again, stated):
                numpy.testing.assert_allclose(one.run(self.images), self.engine.run(self.images), rtol=1e-4, atol=1e-4)
            with self.assertRaisesRegex(vitrim_runtime.VitrimError, "activation"):
                vitrim_runtime.Engine(path, activation="swish")

    def test_pickles_by_path(self):
        copy = pickle.loads(pickle.dumps(self.engine))
        numpy.testing.assert_array_equal(copy.run(self.images), self.engine.run(self.images))

    def test_threads(self):
        expected, got = self.engine.run(self.images), [None] * 8

        def work(i):
            got[i] = self.engine.run(self.images)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(got))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in got:
            numpy.testing.assert_array_equal(one, expected)

    def test_a_forked_process_makes_its_own(self):
        expected = self.engine.run(self.images)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, self.engine.run(self.images).tobytes())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            got = numpy.frombuffer(pipe.read(), numpy.float32)
        os.waitpid(child, 0)
        numpy.testing.assert_array_equal(got.reshape(expected.shape), expected)

    def test_no_torch_is_loaded(self):
        code = "import sys, vitrim_runtime; assert 'torch' not in sys.modules"
        environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "python", "runtime")}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@unittest.skipUnless(os.environ.get("VITRIM_WHEEL") == "1", "set VITRIM_WHEEL=1 to build the wheel, which takes minutes and scikit-build-core")
class Wheel(unittest.TestCase):
    def test_installs_where_there_is_no_torch(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            python = os.path.join(folder, "bin", "python")
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", os.path.join(ROOT, "python", "runtime")], check=True)
            code = ("import importlib.util, vitrim_runtime, sys; assert importlib.util.find_spec('torch') is None; "
                    f"print(vitrim_runtime.Engine({MODEL!r}, threads=1).outputs)")
            environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VITRIM_LIBRARY")}
            done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True)
            self.assertGreater(int(done.stdout), 0)


if __name__ == "__main__":
    cases.main("vitrim_runtime")
