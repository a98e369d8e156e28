#!/usr/bin/env python3
"""vitrim-runtime's Python code on the library of the build: arrays, threads, pickling, forks, and `vitrim eval`'s answers.

VITRIM_LIBRARY names the library, VITRIM_RUN vitrim-run, VITRIM_BINARY the whole program (empty where there is none). The wheel is made around
that library; with VITRIM_WHEEL_FROM_SOURCE=1 it is compiled from the tree, which takes minutes.
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
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "cli"), os.path.join(ROOT, "python", "runtime")]
import cases  # noqa: E402
from program_case import Case, write_png, write_rows  # noqa: E402

try:
    import numpy
    import vitrim_runtime
except ImportError as missing:
    numpy = None
    WHY = f"{missing}; install NumPy"

RUN, BINARY = os.environ.get("VITRIM_RUN", ""), os.environ.get("VITRIM_BINARY", "")
FROM_SOURCE = os.environ.get("VITRIM_WHEEL_FROM_SOURCE") == "1"
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
        numpy.testing.assert_array_equal(got, (pixels.transpose(0, 3, 1, 2).astype(numpy.float32) / 255 - 0.5) / numpy.float32(0.5))
        numpy.testing.assert_array_equal(self.engine.preprocess(pixels[1]), got[1:])
        # Other sizes are resized and cropped; each array may have its own, and lie in memory as it likes.
        wide = numpy.asfortranarray(numpy.repeat(pixels[0], 2, axis=1))
        both = self.engine.preprocess([wide, pixels[1]])
        numpy.testing.assert_array_equal(both[1], got[1])
        self.assertGreater(numpy.abs(both[0] - got[0]).max(), 0.1)
        numpy.testing.assert_array_equal(both[0], self.engine.preprocess(numpy.ascontiguousarray(wide))[0])
        for wrong in (pixels[..., :1], pixels.astype(numpy.float32), [pixels]):
            with self.assertRaisesRegex(ValueError, "expected uint8 images"):
                self.engine.preprocess(wrong)

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
            said = dict(num_heads=spec["blocks"][0]["num_heads"], norm_eps=spec["norm_eps"], activation="gelu", pooling="token", image_size=spec["image_size"][0])
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                engine = vitrim_runtime.Engine(path, threads=2, precision="f32", num_heads=said["num_heads"])
                again = pickle.loads(pickle.dumps(engine))
            self.assertEqual({warning.filename for warning in seen}, {__file__})
            self.assertRegex("\n".join(str(warning.message) for warning in seen), "bare.safetensors: its files do not state everything(.|\n)*how its images were normalised")
            self.assertEqual(len({str(warning.message) for warning in seen}), len(seen), "once")
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*normalised")
                warnings.filterwarnings("error", ".*its files do not state")
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


ANSWERS = """
import importlib.util, json, sys
import numpy, vitrim_runtime
assert importlib.util.find_spec("torch") is None
engine = vitrim_runtime.Engine("model.safetensors", threads=1, precision="f32")
images = numpy.load("images.npy")
print(json.dumps({"file": vitrim_runtime.__file__, "torch": "torch" in sys.modules, "logits": engine.run(engine.preprocess(images)).tolist()}))
"""


@unittest.skipIf(numpy is None, "NumPy is not installed")
class Wheel(Case):
    """The wheel itself, made by pip and installed without torch."""

    def pip(self, *words):
        return subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], cwd=self.folder, capture_output=True, text=True, check=False)

    def install(self):
        """A separate Python with only the wheel and NumPy."""
        made = ["wheel", "-q", "--no-deps", "-w", "wheels", os.path.join(ROOT, "python", "runtime")]
        if not FROM_SOURCE:
            made += ["-C", "cmake.define.VITRIM_RUNTIME_LIBRARY=" + os.path.realpath(os.environ["VITRIM_LIBRARY"])]
        done = self.pip(*made)
        if "No matching distribution found for scikit-build-core" in done.stderr or "No module named pip" in done.stderr:
            self.skipTest("pip can't get scikit-build-core: " + done.stderr.strip().splitlines()[-1])
        self.assertEqual(done.returncode, 0, done.stderr)
        (wheel,) = os.listdir(self.path("wheels"))
        self.assertRegex(wheel, r"^vitrim_runtime-[\d.]+-py3-none-(manylinux\w*|linux)_\w+\.whl$")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.path("venv")], check=True)
        python = self.path("venv", "bin", "python")
        site = subprocess.run([python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True).stdout.strip()
        done = self.pip("install", "-q", "--no-deps", "--target", site, self.path("wheels", wheel))
        self.assertEqual(done.returncode, 0, done.stderr)
        packages = os.path.dirname(os.path.dirname(numpy.__file__))  # NumPy as it is here, so that nothing is fetched
        for name in os.listdir(packages):
            if name.startswith("numpy"):
                os.symlink(os.path.join(packages, name), os.path.join(site, name))
        return python

    def test_answers_as_vitrim_eval_without_torch(self):
        python = self.install()
        images = numpy.random.default_rng(8).integers(0, 256, (30, 40, 50, 3), dtype=numpy.uint8)
        numpy.save(self.path("images.npy"), images)
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VITRIM_LIBRARY")}
        done = subprocess.run([python, "-c", ANSWERS], cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        self.assertTrue(said["file"].startswith(self.path("venv")), said["file"])
        self.assertFalse(said["torch"])
        for i, image in enumerate(images):
            os.makedirs(self.path("set", str(int(numpy.argmax(said["logits"][i])))), exist_ok=True)
            write_rows(self.path("set", str(int(numpy.argmax(said["logits"][i]))), f"{i:03}.png"), image.reshape(40, 150).tolist(), 3)
        if RUN:
            done = subprocess.run([RUN, "model.safetensors", "set", "--precision", "f32", "--top", "10", "--quiet", "--json", "-"],
                                  cwd=self.folder, capture_output=True, text=True, check=True)
            for one in json.loads(done.stdout)["images"]:
                wanted = said["logits"][int(os.path.basename(one["image"])[:3])]
                self.assertEqual({answer["class"]: answer["logit"] for answer in one["top"]}, dict(enumerate(wanted)))
        if BINARY:
            for i in range(10):  # a class of every index, so that folders stand for their names
                if not os.path.isdir(self.path("set", str(i))):
                    os.makedirs(self.path("set", str(i)))
                    write_png(self.path("set", str(i), "other.png"), seed=i)
            self.run_vitrim("eval", "model.safetensors", "--data", "set", "--engine", "native", "--precision", "f32", "--quiet", "--json", "eval.json")
            self.assertGreaterEqual(json.loads(self.read("eval.json"))["correct"].count("1"), len(images))


if __name__ == "__main__":
    cases.main("vitrim_runtime")
