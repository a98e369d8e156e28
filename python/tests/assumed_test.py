#!/usr/bin/env python3
"""Properties that a file does not state: arguments that state them, warnings about assumed values, and refusals that name the argument."""

import json
import os
import struct
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_case import Case, colours, inputs, lively, removed, tolerance, vit  # noqa: E402, I001
import cases  # noqa: E402
import torch  # noqa: E402
import vitrim  # noqa: E402

QUIET = dict(threads=2, progress=False, precision="f32")


class Assumed(Case):
    def setUp(self):
        super().setUp()
        self.needs_library()

    def foreign(self, spec, name="foreign.pth"):
        """The model's tensors alone, as a training script stores them."""
        model = lively(spec)
        torch.save(model.state_dict(), self.path(name))
        return model, self.path(name)

    def normalised(self, spec):
        """The same as safetensors, with a mean and standard deviation in its metadata, but no resize."""
        header, content = {"__metadata__": {"mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5"}}, b""
        for name, tensor in lively(spec).state_dict().items():
            header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(content), len(content) + 4 * tensor.numel()]}
            content += tensor.contiguous().numpy().tobytes()
        text = json.dumps(header).encode()
        with open(self.path("normalised.safetensors"), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + content)
        return self.path("normalised.safetensors")

    def warned(self, work):
        """The result of `work`, and its warnings."""
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            out = work()
        for one in seen:
            self.assertIs(one.category, UserWarning)
            self.assertEqual(one.filename, __file__, "a warning names the line that called the package")
        return out, [str(one.message) for one in seen]

    def test_every_value_can_be_stated(self):
        """Heads, epsilon, activation, pooling and gain: each reaches the model, and nothing is assumed where all are stated."""
        spec = vit(depth=2, norm_eps=1e-3, activation="relu", pooling="average")
        model, path = self.foreign(spec)
        stated = dict(num_heads=2, image_size=32, norm_eps=1e-3, activation="relu", pooling="average")
        x = inputs(3, spec)
        with torch.no_grad():
            loaded, said = self.warned(lambda: vitrim.load(path, **stated))
            self.assertEqual(said, [])
            self.assert_near(loaded(x), model(x), tolerance(spec))
            for name, other in (("num_heads", 4), ("norm_eps", 1e-1), ("activation", "gelu"), ("pooling", "token")):
                with self.subTest(name):
                    changed = vitrim.load(path, **{**stated, name: other})
                    self.assertGreater((changed(x) - model(x)).abs().max().item(), 1e-4)
        engine, said = self.warned(lambda: vitrim.Engine(path, precision="f32", **stated))
        self.assertEqual(said, [])
        self.assert_near(engine(x), model(x).detach(), tolerance(spec))

    def test_gain(self):
        """A block without attention: its gain is requested, then used as stated."""
        spec = removed(vit(depth=2), 1)
        spec.blocks[1].stream_gain = 2.0
        model, path = self.foreign(spec)
        with self.assertRaisesRegex(vitrim.FormatError, "pass stream_gain 1 or stream_gain 2"):
            vitrim.load(path, num_heads=2)
        x = inputs(3, spec)
        with torch.no_grad():
            loaded, _ = self.warned(lambda: vitrim.load(path, num_heads=2, stream_gain=2))
            self.assert_near(loaded(x), model(x), tolerance(spec))
            other, _ = self.warned(lambda: vitrim.load(path, num_heads=2, stream_gain=1))
            self.assertGreater((other(x) - model(x)).abs().max().item(), 1e-2)

    def test_assumptions_are_one_warning_a_file(self):
        """load, Engine and the jobs: one warning that names the file, the values and the arguments, not the program's flags."""
        _, path = self.foreign(vit())
        pixels, labels = colours(4), [0, 1, 2, 3]
        for name, work in (("load", lambda: vitrim.load(path, num_heads=2)),
                           ("Engine", lambda: vitrim.Engine(path, num_heads=2)),
                           ("evaluate", lambda: vitrim.evaluate(path, pixels, labels, num_heads=2, mean=0.5, std=0.5, resize="none", **QUIET))):
            with self.subTest(name):
                _, said = self.warned(work)
                self.assertEqual(len(said), 1, said)
                self.assertRegex(said[0], r"foreign\.pth: its files do not state everything.*norm_eps 1e-06.*activation gelu.*with norm_eps, activation$")
                self.assertNotIn("--", said[0])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("default")
            for _ in range(3):
                vitrim.load(path, num_heads=2)
        self.assertEqual(len(seen), 1, "the same line warns about a file once")

    def test_own_files_say_everything(self):
        """vitrim's own files cause no warning, except about an argument that they make useless."""
        vitrim.save(lively(vit()), self.path())
        for work in (lambda: vitrim.load(self.path()), lambda: vitrim.Engine(self.path()), lambda: vitrim.load(self.path(), image_size=64)):
            self.assertEqual(self.warned(work)[1], [])
        _, said = self.warned(lambda: vitrim.load(self.path(), activation="relu"))
        self.assertRegex("".join(said), "its own metadata states which activation the MLPs have; activation is not needed and not used")

    def test_image_size(self):
        vitrim.save(lively(vit()), self.path())
        self.assertEqual(vitrim.load(self.path(), image_size=64).spec.image_size, [64, 64])
        self.assertEqual(vitrim.Engine(self.path(), image_size=64).spec.image_size, [64, 64])

    def test_resize_is_asked_or_told(self):
        """Images of another size than the model's, from a file that does not state its preprocessing."""
        _, path = self.foreign(vit())
        stated = dict(num_heads=2, image_size=32, norm_eps=1e-6, activation="gelu", pooling="token", mean=0.5, std=0.5, **QUIET)
        _, said = self.warned(lambda: vitrim.evaluate(path, colours(4, 40), [0] * 4, **stated))
        self.assertRegex("".join(said), "does not state how its images were resized; assumed: short side to 35 pixels, bicubic; if that is wrong, state the right values with resize and interpolation")
        for given in (dict(resize=40), dict(resize="none")):
            self.assertEqual(self.warned(lambda given=given: vitrim.evaluate(path, colours(4, 40), [0] * 4, **given, **stated))[1], [])
        path = self.normalised(vit())
        for given, told in (({}, True), (dict(resize=40, interpolation="bilinear"), False)):
            said = "".join(self.warned(lambda given=given: vitrim.evaluate(path, colours(4, 40), [0] * 4, **given, **stated))[1])
            self.assertEqual("preprocess.resize" in said, told, said)

    def test_wrong_values(self):
        _, path = self.foreign(vit())
        for given, said in ((dict(num_heads=0), "num_heads"), (dict(num_heads="two"), "num_heads"), (dict(num_heads=2, activation="swish"), "the nearest name is"),
                            (dict(num_heads=2, pooling="max"), "token or average"), (dict(num_heads=2, stream_gain=3), "stream_gain"), (dict(num_heads=2, norm_eps=-1), "norm_eps"),
                            (dict(num_heads=2, image_size=0), "image_size"), (dict(num_heads=2, weights=3), "weights"), (dict(num_heads=5), "pass another num_heads")):
            with self.subTest(given), self.assertRaisesRegex(ValueError, said):
                vitrim.load(path, **given)
        with self.assertRaisesRegex(vitrim.FormatError, "the number of heads can't be inferred from width 32; pass num_heads"):
            vitrim.load(path)
        with self.assertRaisesRegex(ValueError, "stream_gain, pooling: these apply to files"):
            vitrim.Engine(lively(vit()), stream_gain=2, pooling="token")

    def test_images_that_are_passed_over(self):
        """A folder with files of other formats: a warning that counts them."""
        vitrim.save(lively(vit()), self.path())
        os.mkdir(self.path("images"))
        for i, image in enumerate(colours(4).permute(0, 2, 3, 1).numpy()):
            self.png(f"images/{i}.png", image)
        for name in ("a.bmp", "b.bmp", "c.tiff"):
            with open(self.path("images/" + name), "wb") as file:
                file.write(b"BM")
        _, said = self.warned(lambda: vitrim.analyze(self.path(), self.path("images"), **QUIET))
        self.assertRegex("".join(said), r"passed over .*2 \.bmp.*1 \.tiff")


if __name__ == "__main__":
    cases.main("python_assumed")
