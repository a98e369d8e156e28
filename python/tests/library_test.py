#!/usr/bin/env python3
"""The C++ library from Python: compress, prune, merge, quantize, analyze, evaluate and the engine; progress, Ctrl-C, exceptions, the interpreter's lock."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_case import Case, ROOT, SMALL, colours, difference, inputs, library_output, lively, merged, need, removed, staged, tolerance, vit  # noqa: E402, I001

need("numpy")
import cases  # noqa: E402
from fenced import blocks  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import vitrim  # noqa: E402

QUIET = {"progress": False, "seed": 0}


class Library(Case):
    def setUp(self):
        super().setUp()
        self.needs_library()

    def saved(self, spec, name="model.safetensors"):
        vitrim.save(lively(spec), self.path(name))
        return self.path(name)


class Jobs(Library):
    def test_compress_the_embedded_model(self):
        """A quarter of the attention is removed from the small trained model; the file, the module and the figures in the document agree."""
        out = self.path("smaller.safetensors")
        result = vitrim.compress(SMALL, "synthetic:calib:64", remove="25%", epochs=0, te_images=32, output=out, save_dtype="f32", eval="synthetic:test:200", **QUIET)
        model = vitrim.load(out)
        self.assertEqual(result.output, out)
        self.assertEqual([i for i, block in enumerate(model.spec.blocks) if block.attention == "none"], result.removed)
        self.assertEqual(len(result.removed), round(0.25 * len(model.spec.blocks)))
        self.assertEqual(sum(p.numel() for p in model.parameters()), result["compressed"]["params"])
        self.assertLess(result.compressed.params, result.dense.params)
        x = inputs(4, model.spec)
        with torch.no_grad():
            self.assertTrue(torch.equal(result.module(x), model(x)))
            self.assert_near(model(x), library_output(out, x), tolerance(model.spec))
        self.assertGreater(result.dense.top1, 0.5)
        self.assertLessEqual(result.paired.ci95[0], result.paired.difference)
        again = vitrim.evaluate(out, "synthetic:test:200", precision="f32", **QUIET)
        self.assertLess(abs(again.top1 - result.compressed.top1), 0.02)  # the document's figure may be bfloat16's
        self.assertIn("vitrim.compress(", result.manifest.command)
        self.assertEqual(result.manifest.torch_version, torch.__version__.split("+")[0])
        json.dumps(result)  # plain

    def test_arrays_files_and_modules(self):
        """The same images as NumPy NHWC, torch NCHW and PNG files, the same model as file and module: the same accuracy."""
        path = self.saved(vit())
        pixels = colours(40)
        labels = lively(vit())(inputs(40, vit())).argmax(1)
        wrong = (labels + 1) % 10
        labels = torch.where(torch.arange(40) < 30, labels, wrong)
        wanted = vitrim.evaluate(path, pixels, labels, **QUIET)
        self.assertEqual((wanted.top1, wanted.images, wanted.correct), (0.75, 40, "1" * 30 + "0" * 10))
        images = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.assertEqual(vitrim.evaluate(vitrim.load(path), images, labels.numpy(), **QUIET).correct, wanted.correct)
        self.assertEqual(vitrim.evaluate(path, list(images), labels.tolist(), **QUIET).correct, wanted.correct)
        images.flags.writeable = False  # as Pillow's are
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assertEqual(vitrim.evaluate(path, images, list(labels.numpy()), **QUIET).correct, wanted.correct)
        files = [self.png(f"{i}.png", image) for i, image in enumerate(images)]
        self.assertEqual(vitrim.evaluate(path, files, labels, resize="none", **QUIET).correct, wanted.correct)
        self.assertRegex(wanted.manifest.data_fingerprint, "^40 images, sha256 ")

    def test_analyze(self):
        scores = vitrim.analyze(self.saved(removed(vit(), 1)), colours(32), remove=1, criterion="te", search="exact", **QUIET)
        self.assertEqual((scores.kind, scores.criterion, scores.search, len(scores.chosen)), ("layer_scores", "te", "exact", 1))
        self.assertEqual(sorted(scores.te.drop), ["0", "2", "3"])
        self.assertIsNone(scores.entropy.attention[1])
        best = min(scores.te.drop, key=scores.te.drop.get)
        self.assertEqual(scores.chosen, [int(best)])

    def test_named_layers_prune_and_merge(self):
        dense = lively(vit())
        images = colours(32)
        cut = vitrim.compress(dense, images, remove_attention=[2, 0], absorb=False, **QUIET)
        self.assertEqual((cut.removed, cut.output), ([0, 2], ""))
        x = inputs(4, dense.spec)
        with torch.no_grad():
            self.assert_near(cut.module(x), library_output(cut.module, x), tolerance(dense.spec))
        narrow = vitrim.prune(dense, images, attention_macs="60%", channels_by="energy", epochs=0, **QUIET)
        spec = narrow.module.spec
        self.assertLess(min(block.qk_dim + block.v_dim for block in spec.blocks), 32)
        learned = vitrim.prune(dense, images, attention_macs="70%", round=2, without="reweight", similarity="weights", begin_with="absence", score_images=8,
                               indicator_epochs=1, indicator_rate=0.02, temperature=1.0, epochs=0, **QUIET)
        for words in ("without reweighting", "similarity of weights", "beginning with absence", "multiples of 2", "temperature 1"):
            self.assertIn(words, learned.reason)
        with self.assertRaisesRegex(ValueError, "did you mean 'reweight'"):
            vitrim.prune(dense, images, attention_macs="70%", without="reweighting", **QUIET)
        fewer = vitrim.prune(dense, images, target_params="80%", scope="mlp", channels_by="energy", epochs=0, **QUIET)
        self.assertLessEqual(fewer.compressed.params, 0.8 * fewer.dense.params)
        self.assertEqual([block.qk_dim for block in fewer.module.spec.blocks], [block.qk_dim for block in dense.spec.blocks])
        merging = vitrim.merge(dense, r=3, start=1, output=self.path("merged.safetensors"), **QUIET)
        self.assertEqual([block.merge for block in merging.module.spec.blocks], [0, 3, 3, 3])
        self.assertEqual([block.merge for block in vitrim.load(self.path("merged.safetensors")).spec.blocks], [0, 3, 3, 3])
        found = vitrim.merge(dense, target_macs="85%", choose=True, step=2, images=images, **QUIET)
        self.assertLessEqual(found.compressed.macs, 0.85 * found.dense.macs)

    def test_static_attention(self):
        """The layers of `static` are static in the written spec, those of a list and the one that a search chose; int8 and fits on views follow."""
        for static, more in (([2, 0], {}), ("best:1", {"views": 1, "distill_epochs": 1, "quantize": True, "eval": "synthetic:test:40"})):
            with self.subTest(static):
                out = self.path("static.safetensors")
                news = []
                result = vitrim.compress(SMALL, "synthetic:calib:32", static=static, epochs=0, te_images=16, output=out, save_dtype="f32", seed=0, progress=news.append, **more)
                spec = vitrim.load(out).spec
                fixed = [i for i, block in enumerate(spec.blocks) if block.attention == "static"]
                self.assertEqual((len(fixed), result.removed), (1 if more else 2, []))
                self.assertIn(f"the attention of {','.join(map(str, fixed))} made static", result.reason)
                self.assertEqual(result.module.spec, spec)
                self.assertEqual(spec.quantized, bool(more))
                stages = {step["stage"] for step in news}
                self.assertEqual([any(word in stage for stage in stages) for word in ("refin", "distil")], [bool(more)] * 2, stages)
                if more:
                    self.assertGreater(result.compressed.top1, 0.3)
                    self.assertGreater(result.quantization.bytes_before, result.quantization.bytes_after)
                else:
                    self.assertEqual(fixed, [0, 2])

    def test_quantize(self):
        """int8 without images, and calibrated with layers that stay float; the file, the module and the engine agree, and the figures are the program's."""
        plain = vitrim.quantize(SMALL, weight_bits=4, **QUIET)
        self.assertEqual((plain.quantization.held_out_images, plain.output), (0, ""))
        self.assertEqual({layer.weight_bits for layer in plain.quantization.layers}, {4})
        out = self.path("int8/")
        result = vitrim.quantize(SMALL, "synthetic:calib:64", count=20, held_out=0.4, keep="proj,blocks.1.mlp.fc2", output=out, eval="synthetic:test:40", **QUIET)
        self.assertEqual((result.quantization.fit_images, result.quantization.held_out_images), (12, 8))
        self.assertEqual({layer.name for layer in result.quantization.layers if not layer.int8 and "proj" not in layer.name}, {"blocks.1.mlp.fc2"})
        self.assertLess(plain.quantization.bytes_after, result.quantization.bytes_after)
        self.assertLess(result.quantization.bytes_after, result.quantization.bytes_before)
        self.assertGreater(result.compressed.top1, 0.5)
        model = vitrim.load(out)
        self.assertEqual(model.spec, result.module.spec)
        x = inputs(8, model.spec)
        with torch.no_grad():
            self.assertTrue(torch.equal(result.module(x), model(x)))
        self.assertLessEqual({"README.md", "config.json", "model.safetensors"}, set(os.listdir(out)))
        wanted = subprocess.run([os.environ["VITRIM_BINARY"], "quantize", SMALL, "--calib", "synthetic:calib:64", "--images", "20", "--held-out", "0.4", "--keep", "proj,blocks.1.mlp.fc2",
                                 "-o", self.path("program.safetensors"), "--json", "-", "--quiet"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(wanted.stdout)["quantization"], result.quantization)

    def test_the_dense_model_stays(self):
        dense = lively(vit())
        before = {key: value.clone() for key, value in dense.state_dict().items()}
        vitrim.compress(dense, colours(16), remove=1, epochs=1, criterion="te", search="greedy", **QUIET)
        for key, value in dense.state_dict().items():
            self.assertTrue(torch.equal(value, before[key]), key)


class Extension(Library):
    def test_one_libtorch(self):
        """The process has one LibTorch, the one of `import torch`, and the extension contains no path to another."""
        with open("/proc/self/maps", encoding="utf-8") as file:
            loaded = {os.path.realpath(line.split()[-1]) for line in file if line.split()[-1].endswith(("/libtorch_cpu.so", "/libc10.so"))}
        folder = os.path.realpath(os.path.join(os.path.dirname(torch.__file__), "lib"))
        self.assertEqual(loaded, {os.path.join(folder, name) for name in ("libtorch_cpu.so", "libc10.so")})
        done = subprocess.run(["readelf", "-d", vitrim.native.library().__file__], capture_output=True, text=True, check=True)
        self.assertIn("libtorch_cpu.so", done.stdout)
        self.assertNotRegex(done.stdout, "RPATH|RUNPATH")

    def test_versions_agree(self):
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            self.assertRegex(file.read(), rf"project\(\s*vitrim\s+VERSION {re.escape(vitrim.__version__)}\s")
        self.assertEqual(vitrim.native.library().VERSION, vitrim.__version__)

    def test_another_torch_is_refused(self):
        """A library for another LibTorch is not used; the message gives the remedy."""
        code = f"""
import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(vitrim.__file__))!r})
import torch
torch.__version__ = "2.12.1+cpu"
import vitrim
try:
    vitrim.evaluate({SMALL!r}, "synthetic:test:8")
    raise SystemExit("no ImportError")
except ImportError as error:
    assert "but this is torch 2.12.1" in str(error) and "pip install" in str(error), error
vitrim.load({SMALL!r})
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Documentation(Library):
    def test_examples(self):
        """The examples of docs/python.md, one after another (except those that need timm or a compiler)."""
        with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as file:
            examples = [body + "\n" for _, info, body in blocks(file.read()) if info == "python"]
        self.assertGreater(len(examples), 4)
        os.symlink(os.path.join(ROOT, "models"), self.path("models"))
        done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(vitrim.__file__))!r})\n" + "".join(examples)], cwd=self.folder,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("smaller.safetensors", os.listdir(self.folder))
        self.assertEqual(done.stdout.splitlines()[-1], "1.0")


class Errors(Library):
    def refused(self, error, words, function, *arguments, **options):
        with self.assertRaises(error) as caught:
            function(*arguments, **{**QUIET, **options})
        self.assertIn(words, str(caught.exception))
        return caught.exception

    def test_bad_arguments(self):
        path, images = self.saved(vit()), colours(16)
        for error, words, arguments, options in (
                (ValueError, "pass static (which layers to make static, or how many), remove (", (path, images), {}),
                (ValueError, "nothing would be removed", (path, images), {"remove": 0}),
                (ValueError, "exclude each other", (path, images), {"remove": 1, "remove_attention": [1]}),
                (ValueError, "not a layer of 4", (path, images), {"remove_attention": [7]}),
                (ValueError, "static: \"0,7\": layer 7 does not exist", (path, images), {"static": [0, 7]}),
                (ValueError, "static: ", (path, images), {"static": "best:0"}),
                (ValueError, "pass a list of layers", (path, images), {"static": 2}),
                (ValueError, "can't make 4 attention layers static", (path, images), {"static": "best:4", "remove": 1}),
                (ValueError, "layer 1 is in both static and remove_attention; list it in one of them", (path, images), {"static": [0, 1], "remove_attention": [1]}),
                (ValueError, "controls compares sets of removed layers", (path, images), {"static": [0], "controls": True}),
                (ValueError, "controls compares sets of removed layers", (path, images), {"target_macs": "80%", "controls": True}),
                (ValueError, "views belongs to the fit, which absorb=False leaves out", (path, images), {"remove": 1, "views": 1, "absorb": False}),
                (ValueError, "ridge belongs to the fit, which absorb=False leaves out", (path, images), {"remove": 1, "ridge": 1, "absorb": False}),
                (ValueError, "round belongs to pruning channels, which needs target_macs, attention_macs or target_params", (path, images), {"remove": 1, "round": 4}),
                (ValueError, "temperature belongs to apma; channels_by energy has no such part", (path, images), {"target_macs": "80%", "channels_by": "energy", "temperature": 1}),
                (ValueError, "can only be compared, by vitrim prune --few-shot", (path, images), {"target_macs": "80%", "without": "proportions"}),
                (ValueError, "eval_resize applies to the images of eval", (path, images), {"remove": 1, "eval_resize": 32}),
                (ValueError, "did you mean 'attention+mlp'?", (path, images), {"target_macs": "80%", "scope": "attention+mlps"}),
                (ValueError, "target_params and target_macs exclude each other", (path, images), {"target_params": "80%", "target_macs": "80%"}),
                (ValueError, "use target_macs with scope mlp", (path, images), {"attention_macs": "80%", "scope": "mlp"}),
                (ValueError, "views is out of range: -1", (path, images), {"remove": 1, "views": -1}),
                (ValueError, "criterion", (path, images), {"remove": 1, "criterion": "tee"}),
                (ValueError, "epochs is out of range: -1", (path, images), {"remove": 1, "epochs": -1}),
                (ValueError, "ridge is of a wrong type", (path, images), {"remove": 1, "ridge": "much"}),
                (ValueError, "uint8", (path, images.float()), {"remove": 1}),
                (ValueError, "[n, height, width, 3]", (path, images[0]), {"remove": 1}),
                (ValueError, "there are no images", (path, []), {"remove": 1}),
                (ValueError, "one size", (path, [images[0], images[0, :, 8:]]), {"remove": 1}),
                (ValueError, ".safetensors", (path, images), {"remove": 1, "output": self.path("out.pth")}),
                (ValueError, "can't be reached", (path, images), {"attention_macs": "0.1%"}),
                (TypeError, "unexpected keyword argument 'colour'", (path, images), {"remove": 1, "colour": 2}),
                (TypeError, "not a model of vitrim", (torch.nn.Linear(2, 2), images), {"remove": 1}),
                (OSError, "nowhere", (path, images), {"remove": 1, "output": self.path("nowhere/out.safetensors")})):
            with self.subTest(words):
                self.refused(error, words, vitrim.compress, *arguments, **options)
        for words, options in (("there is no linear layer 'fc3' to keep; did you mean 'fc1'?", {"keep": ["fc3"]}), ("weights have 8 or 4 bits, not 2", {"weight_bits": 2}),
                               ("held_out is out of range: 0.9", {"images": images, "held_out": 0.9}), ("budget_kl belongs to the calibration; pass images too", {"budget_kl": 0.1}), ("count belongs to the calibration", {"count": 9}),
                               ("calibration needs at least 8 images, but there are 4", {"images": images[:4]})):
            self.refused(ValueError, words, vitrim.quantize, path, **options)
        self.refused(vitrim.Error, "quantising", vitrim.quantize, vitrim.quantize(path, **QUIET).module)
        self.refused(ValueError, "3 labels for 16 images", vitrim.evaluate, path, images, [0, 1, 2])
        self.refused(ValueError, "class indices", vitrim.evaluate, path, images, [0.5] * 16)
        self.refused(vitrim.Error, "label", vitrim.evaluate, path, images, [11] * 16)
        self.refused(vitrim.Error, "label", vitrim.evaluate, path, images)
        self.refused(ValueError, "state a target: target_macs 70%", vitrim.prune, path, images)
        for words, options in (("in one of these ways: r 13, schedule 1:24 or target_macs 60%", {}), ("choose needs images to choose on: images DIR", {"target_macs": "80%", "choose": True}),
                               ("choose chooses where to start; omit start", {"target_macs": "80%", "choose": True, "images": images, "start": 1})):
            self.refused(ValueError, words, vitrim.merge, path, **options)
        self.refused(ValueError, "merge", vitrim.merge, lively(staged("swin")), r=2)

    def test_bad_files(self):
        self.assertIsInstance(self.refused(vitrim.Error, "nowhere", vitrim.evaluate, self.path("nowhere.safetensors"), colours(2), [0, 1]), OSError)
        with open(self.path("bad.safetensors"), "wb") as file:
            file.write(b"\x08\0\0\0\0\0\0\0nonsense")
        self.assertIsInstance(self.refused(vitrim.FormatError, "bad.safetensors", vitrim.evaluate, self.path("bad.safetensors"), colours(2), [0, 1]), ValueError)
        path = self.saved(vit())
        self.refused(vitrim.Error, "nowhere", vitrim.evaluate, path, self.path("nowhere"))
        with open(self.path("bad.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\nnothing")
        self.refused(vitrim.Error, "bad.png", vitrim.evaluate, path, [self.path("bad.png")], [0])

    def test_class_folders(self):
        """Names with two possible orders need an order, from the caller or from the model's class names; unlabelled images need none."""
        path, names = self.saved(vit()), ["0", "1", "10", "2", "3", "4", "5", "6", "7", "8"]
        for name, image in zip(names, colours(10).permute(0, 2, 3, 1).contiguous().numpy()):
            os.makedirs(self.path(f"set/{name}"))
            self.png(f"set/{name}/a.png", image)
        self.refused(vitrim.Error, "natural order (timm)", vitrim.evaluate, path, self.path("set"))
        natural = vitrim.evaluate(path, self.path("set"), class_order="natural", **QUIET).correct
        spec = vit()
        spec.class_names = sorted(names, key=int)
        self.assertEqual(vitrim.evaluate(self.saved(spec, "named.safetensors"), self.path("set"), **QUIET).correct, natural)
        self.refused(vitrim.Error, "is not in the class list imagenet-1k", vitrim.evaluate, path, self.path("set"), classes="imagenet-1k")  # built in
        self.refused(ValueError, "neither lexicographic nor natural", vitrim.evaluate, path, self.path("set"), class_order="random")
        self.refused(ValueError, "class_order", vitrim.evaluate, path, colours(10), [0] * 10, class_order="natural")
        self.refused(vitrim.Error, "images are corrupt", vitrim.evaluate, path, self.path("set"), class_order="natural", max_pixels=4)
        vitrim.merge(path, images=self.path("set"), r=1, **QUIET)

    def test_units_and_channels(self):
        labels = [i % 10 for i in range(10)]
        self.refused(ValueError, "divide by 255", vitrim.evaluate, self.saved(vit()), colours(10), labels, mean=123.675)
        for value in (float("nan"), (0.5, float("inf"), 0.5)):
            self.refused(ValueError, "mean must be finite", vitrim.evaluate, self.saved(vit()), colours(10), labels, mean=value)
        spec = vit()
        spec.in_channels = 4
        self.refused(vitrim.Error, "4 channels", vitrim.evaluate, self.saved(spec), colours(10), labels)

    def test_normalisation_must_be_known(self):
        spec = vit()
        spec.preprocess = None
        path = self.saved(spec)
        labels = [i % 10 for i in range(16)]
        self.refused(ValueError, "pass mean and std", vitrim.evaluate, path, colours(16), labels)
        one = vitrim.evaluate(path, colours(16), labels, mean=0.5, std=0.5, **QUIET)
        self.assertEqual(one.correct, vitrim.evaluate(self.saved(vit()), colours(16), labels, **QUIET).correct)


class Progress(Library):
    def test_updates_and_their_exceptions(self):
        news = []
        vitrim.compress(lively(vit()), colours(32), remove=1, criterion="te", epochs=1, progress=news.append)
        self.assertGreater(len({update["stage"] for update in news}), 2)
        self.assertTrue(all(0 <= update["done"] and set(update) == {"stage", "unit", "done", "total", "seconds", "finished"} for update in news))
        self.assertTrue(any(update["finished"] for update in news))

        def fail(update):
            raise RuntimeError("enough of " + update["stage"])

        with self.assertRaisesRegex(RuntimeError, "enough of"):
            vitrim.compress(lively(vit()), colours(32), remove=1, progress=fail)
        vitrim.evaluate(lively(vit()), colours(4), [0, 1, 2, 3], **QUIET)  # nothing of the stop is left

    def test_shown_by_default(self):
        """With tqdm bars, without it lines; on standard error either way."""
        code = ("import sys; sys.path.insert(0, sys.argv[1]); sys.modules.update({sys.argv[3]: None} if len(sys.argv) > 3 else {}); import vitrim; "
                "vitrim.evaluate(sys.argv[2], 'synthetic:test:40')")
        package = os.path.dirname(os.path.dirname(vitrim.__file__))
        for hidden in ([], ["tqdm"]):
            done = subprocess.run([sys.executable, "-c", code, package, SMALL, *hidden], capture_output=True, text=True, check=True)
            self.assertIn("40", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_other_threads_go_on(self):
        """The GIL is free while the library works: a thread that only counts makes progress."""
        counted, stop = [0], threading.Event()

        def count():
            while not stop.is_set():
                counted[0] += 1
                time.sleep(0.001)

        thread = threading.Thread(target=count)
        thread.start()
        try:
            started = time.monotonic()
            vitrim.compress(lively(vit()), colours(64), remove=1, criterion="te", epochs=3, **QUIET)
            seconds = time.monotonic() - started
        finally:
            stop.set()
            thread.join()
        # Held, the lock would let the thread in only between the few Python lines around the work; a tenth of its rounds is far more than that.
        self.assertGreater(counted[0], 0.1 * seconds / 0.001 * 0.1)
        self.assertGreater(counted[0], 20)

    def test_jobs_of_two_threads_take_turns(self):
        model, results = lively(vit()), [None, None]

        def work(i):
            results[i] = vitrim.evaluate(model, colours(64), [0] * 64, **QUIET).correct

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results[0], results[1])
        self.assertEqual(len(results[0]), 64)

    def test_ctrl_c(self):
        """Ctrl-C ends the work at its next step with KeyboardInterrupt, writes nothing, and the library can be used again."""
        out = self.path("out.safetensors")

        def interrupt(update):
            if not sent:
                sent.append(update["stage"])
                os.kill(os.getpid(), signal.SIGINT)

        sent = []
        started = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            vitrim.compress(lively(vit()), colours(64), remove=1, epochs=1000, output=out, progress=interrupt)
        self.assertLess(time.monotonic() - started, 30)
        self.assertFalse(os.path.exists(out))
        self.assertEqual(vitrim.evaluate(lively(vit()), colours(4), [0, 1, 2, 3], **QUIET).images, 4)


class Engines(Library):
    def test_equals_the_module(self):
        for spec in (vit(), merged(removed(vit(distillation_token=True), 1), 3, 0, 2, 2), vit(class_token=False, embed_prefix_tokens=False, pooling="average", fc_norm=True, final_norm=False),
                     vit(gated_mlp=True, activation="silu")):
            model = lively(spec)
            engine = vitrim.Engine(model, threads=2, precision="f32")
            x = inputs(5, spec)
            with torch.no_grad():
                wanted = model(x)
            got = engine(x.numpy())
            self.assertIsInstance(got, np.ndarray)
            self.assertLess(difference(torch.from_numpy(got), wanted), tolerance(spec))
            self.assertTrue(torch.equal(engine(x), torch.from_numpy(got)))
            self.assertEqual((engine.outputs, engine.threads, engine.precision), (10, 2, "f32"))
            pixels = colours(5)
            for images in (pixels, pixels.permute(0, 2, 3, 1).numpy()):
                self.assertLess(difference(torch.as_tensor(engine(images)), wanted), tolerance(spec))
            self.assertEqual(engine(x[:0]).shape, (0, 10))

    def test_refuses(self):
        with self.assertRaisesRegex(ValueError, "f64"):
            vitrim.Engine(lively(vit()), precision="f64")
        engine = vitrim.Engine(lively(vit()), precision="f32")
        for images in (torch.zeros(2, 3, 32, 32, dtype=torch.float64), torch.zeros(2, 3, 40, 40), torch.zeros(3, 32, 32)):
            with self.assertRaisesRegex(ValueError, "the engine takes float32"):
                engine(images)


class WithoutTheLibrary(Case):
    """The package as VITRIM_PYTHON_ONLY=1 installs it."""

    def test_load_and_save_work_and_the_rest_says_why_not(self):
        package = self.path("package")
        source = os.path.dirname(vitrim.__file__)
        os.makedirs(os.path.join(package, "vitrim"))
        for name in os.listdir(source):
            if name.endswith(".py"):
                os.symlink(os.path.realpath(os.path.join(source, name)), os.path.join(package, "vitrim", name))
        code = f"""
import sys; sys.path.insert(0, {package!r})
import torch, safetensors.torch, vitrim
model = vitrim.load({SMALL!r})
model(torch.zeros(1, 3, *model.spec.image_size))
vitrim.save(model, {self.path()!r})
for call in (lambda: vitrim.compress({SMALL!r}, "synthetic:calib:8", remove=1), lambda: vitrim.analyze({SMALL!r}, "synthetic:calib:8"),
             lambda: vitrim.evaluate({SMALL!r}, "synthetic:test:8"), lambda: vitrim.Engine({SMALL!r})):
    try:
        call()
        raise SystemExit("no ImportError")
    except ImportError as error:
        assert "without its C++ library" in str(error), error
safetensors.torch.save_file(model.state_dict(), {self.path("plain.safetensors")!r})
try:
    vitrim.load({self.path("plain.safetensors")!r})
    raise SystemExit("no ValueError")
except ValueError as error:
    assert "vitrim export" in str(error), error
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    cases.main("python_library")
