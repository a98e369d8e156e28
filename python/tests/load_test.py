#!/usr/bin/env python3
"""vitrim.load and vitrim.save: every family equals the C++ library's output and that of the references, files survive the round trip, and mistakes
in a file are reported."""

import glob
import json
import os
import sys
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_case import Case, SMALL, colours, inputs, library_output, lively, merged, removed, staged, tolerance, variants, vit  # noqa: E402, I001
import cases  # noqa: E402
import safetensors  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
import vitrim  # noqa: E402
import vitrim.quantized  # noqa: E402
from vitrim import native  # noqa: E402
from vitrim.merging import Merged, merge_tokens, spread_tokens  # noqa: E402


class Outputs(Case):
    def test_every_variant_equals_the_library(self):
        self.needs_library()
        for name, spec in variants().items():
            with self.subTest(name):
                model = lively(spec)
                vitrim.save(model, self.path())
                x = inputs(5, spec)
                with torch.no_grad():
                    got = vitrim.load(self.path())(x)
                self.assert_near(got, library_output(self.path(), x), tolerance(spec), name)
                self.assertGreater(got.std().item(), 0.01)

    def test_references(self):
        """Outputs of timm and FLatten-Transformer, under their own names."""
        self.needs_library()
        self.needs_shared("golden/models")
        for path in sorted(glob.glob(os.path.join(self.needs_shared("golden/models"), "*.safetensors"))):
            name = os.path.basename(path)
            with self.subTest(name), safetensors.safe_open(path, "pt") as file:
                config = json.loads(file.metadata()["config"])
                state = {key[8:]: file.get_tensor(key) for key in file.keys() if key.startswith("weights/")}
                safetensors.torch.save_file(state, self.path("reference.safetensors"))
                staged_model = isinstance(config["num_heads"], list)
                hints = {"image_size": config["img_size"]} if staged_model else {"num_heads": config["num_heads"]}
                opened, _ = native.open_model(self.path("reference.safetensors"), **hints)
                spec = vitrim.ModelSpec.from_json(opened.spec)
                if staged_model:
                    spec.norm_eps = 1e-5  # PyTorch's default, which the references were built with
                model = vitrim.build(spec, state)
                with torch.no_grad():
                    got = model(file.get_tensor("input"))
                # Third powers and their norms treble a relative change in every focused block.
                self.assert_near(got, file.get_tensor("output"), tolerance(spec, 4), name)

    def test_forward_parts(self):
        """forward is forward_head of forward_features; features have a token for every patch also where tokens merged."""
        for name, spec in variants().items():
            with self.subTest(name), torch.no_grad():
                model, x = lively(spec), inputs(2, spec)
                features = model.forward_features(x)
                grid = spec.stage_grid(spec.num_stages - 1)
                self.assertEqual(list(features.shape), [2, spec.prefix_tokens + grid[0] * grid[1], spec.feature_dim])
                self.assert_near(model.forward_head(features), model(x), tolerance(spec))
                self.assertEqual(list(model.forward_head(features, pre_logits=True).shape), [2, spec.feature_dim])

    def test_merging_by_hand(self):
        """Four tokens after one prefix token: 1 and 2 alike, 3 and 4 alike to a lesser degree; places alternate, so 2 looks at 1 and 3, 4 at 1 and 3."""
        angle = torch.tensor([0.0, 1.0, 1.01, 2.0, 2.3])
        metric = torch.stack([angle.cos(), angle.sin()], 1).unsqueeze(0)
        y = torch.arange(5.0).reshape(1, 5, 1).repeat(1, 1, 2)
        out, state = merge_tokens(y, metric, 1, 1, Merged(), places=True)
        self.assertEqual(out[0, :, 0].tolist(), [0, 4, 1.5, 3])  # prefix, the even one that stays, the odd ones
        self.assertEqual(state.sizes[0].tolist(), [1, 1, 2, 1])
        self.assertEqual(state.place[0].tolist(), [0, 2, 2, 3, 1])
        self.assertEqual(spread_tokens(out, state)[0, :, 0].tolist(), [0, 1.5, 1.5, 3, 4])

    def test_int8_layers(self):
        """Exact integers, and the library's own outputs except for values on the edge of a step."""
        layer = vitrim.quantized.Int8Linear(1100, 3)
        draw = torch.Generator().manual_seed(1)
        layer.weight = torch.randint(-127, 128, (3, 1100), generator=draw, dtype=torch.int8)
        x = torch.randint(-127, 128, (5, 1100), generator=draw).float()
        x[:, 0] = 127  # then x is its own whole numbers
        x[3] = 0
        self.assertEqual(layer(x).tolist(), (x.long() @ layer.weight.long().T).float().tolist())
        with_gain = vitrim.quantized.Int8Linear(1100, 3)
        with_gain.weight, with_gain.input_gain = layer.weight, torch.rand(1100, generator=draw) + 0.5
        self.assertTrue(torch.equal(with_gain(x), layer(x * with_gain.input_gain)))
        self.needs_library()
        for name in ("plain", "distilled", "swin", "pvt", "cswin", "static", "static_cswin"):
            with self.subTest(name), torch.no_grad():
                dense = lively(variants()[name])
                spec, state = vitrim.ModelSpec.from_json(dense.spec.to_json()), {}
                for block in spec.blocks:
                    block.int8 = ["qkv", "proj", "fc1", "fc2"]
                expected = vitrim.checkpoint.CLASSES[spec.family](spec).state_dict()
                for key, tensor in dense.state_dict().items():
                    if expected[key].dtype == torch.int8:
                        scale = tensor.abs().amax(1, keepdim=True) / 127
                        state[key], state[key + "_scale"] = (tensor / scale).round().to(torch.int8), scale
                    else:
                        state[key] = tensor
                    if key.endswith("fc2.weight"):  # factors on the input of every second MLP
                        block = sum(other.endswith("fc2.weight") for other in state)
                        if block % 2:
                            state[key[:-6] + "input_gain"] = 1 + torch.rand(tensor.shape[1], generator=draw)
                # The compressed-tensors convention has a word for int8 layers, and none for gains.
                vitrim.save(vitrim.build(spec, {key: tensor for key, tensor in state.items() if not key.endswith("input_gain")}), self.path())
                with safetensors.safe_open(self.path(), "pt") as file:
                    targets = json.loads(file.metadata()["quantization_config"])["config_groups"]["group_0"]["targets"]
                self.assertEqual(targets, [key[:-len(".weight")] for key, tensor in expected.items() if tensor.dtype == torch.int8])
                model = vitrim.build(spec, state)
                vitrim.save(model, self.path())
                with safetensors.safe_open(self.path(), "pt") as file:
                    self.assertNotIn("quantization_config", file.metadata())
                x = inputs(5, spec)
                got = vitrim.load(self.path())(x)
                self.assertTrue(torch.equal(got, model(x)))
                # A step of 127 for one of some hundred values, enlarged by the layers above.
                self.assert_near(got, library_output(self.path(), x), 0.02, name)
                for key in [key for key in state if key.endswith("input_gain")]:
                    self.assertTrue(torch.equal(model.state_dict()[key], state.pop(key)))
                self.assert_near(vitrim.build(spec, state)(x), dense(x), 0.2, name)

    def test_weights_of_four_bits(self):
        """Packed in the file, and read in the same way as by the library; mistakes are refused."""
        self.needs_library()
        draw = torch.Generator().manual_seed(2)
        for name in ("plain", "swin"):
            with self.subTest(name), torch.no_grad():
                spec = variants()[name]
                spec.blocks[0].mlp_dim = 37  # groups and words that end early
                state = dict(lively(spec).state_dict())
                for block in spec.blocks:
                    block.int8 = ["qkv", "proj", "fc1", "fc2"]
                    block.int4 = ["qkv", "proj", "fc2"]
                for key, tensor in vitrim.checkpoint.CLASSES[spec.family](spec).state_dict().items():
                    if tensor.dtype != torch.int8:
                        continue
                    rows, width = tensor.shape
                    factors = torch.randint(8, 16, (rows, -(-width // 32)), generator=draw).repeat_interleave(32, 1)[:, :width]
                    state[key] = (torch.randint(-7, 8, (rows, width), generator=draw) * factors).to(torch.int8)
                    state[key + "_scale"] = torch.full((rows, 1), 2.0**-9)
                model = vitrim.build(spec, state)
                vitrim.save(model, self.path())
                with safetensors.safe_open(self.path(), "pt") as file:
                    self.assertNotIn("quantization_config", file.metadata())  # the convention has no such groups
                    held = {key: file.get_tensor(key) for key in file.keys()}
                packed = [key for key in held if key.endswith("_packed")]
                self.assertEqual(len(packed), 3 * len(spec.blocks))
                fc2 = next(key[:-len("_packed")] for key in packed if "fc2" in key)
                self.assertEqual([(tuple(held[fc2 + part].shape), held[fc2 + part].dtype) for part in ("_packed", "_scale")],
                                 [((spec.blocks[0].embed_dim, 5), torch.int32), ((spec.blocks[0].embed_dim, 2), torch.float16)])
                loaded = vitrim.load(self.path())
                for before, after in zip(model.modules(), loaded.modules()):
                    if isinstance(before, vitrim.quantized.Int8Linear):  # a factor that a row's numbers share may have gone into its scale
                        self.assertTrue(torch.equal(after.weight * after.weight_scale, before.weight * before.weight_scale))
                x = inputs(5, spec)
                self.assert_near(loaded(x), library_output(self.path(), x), 0.02, name)
                judged = [vitrim.evaluate(each, colours(8), list(range(8)), progress=False).correct for each in (loaded, self.path())]
                self.assertEqual(*judged)
                metadata = {"vitrim.spec": spec.to_json()}
                scale = held[fc2 + "_scale"].float()
                for part, wrong in (("_packed", held[fc2 + "_packed"][:, 1:]), ("_packed", held[fc2 + "_packed"].long()), ("_scale", -scale), ("_scale", scale * torch.rand(scale.shape, generator=draw)),
                                    ("_shape", torch.tensor([3, 3])), ("_shape", None)):
                    changed = {**held, fc2 + part: wrong}
                    safetensors.torch.save_file({key: tensor.contiguous() for key, tensor in changed.items() if tensor is not None}, self.path(), metadata)
                    with self.assertRaisesRegex(vitrim.FormatError, fc2):
                        vitrim.load(self.path())

    def test_ties_are_the_librarys(self):
        """Equal patches without positions: ties decide the merging, in the same way as in the library."""
        self.needs_library()
        blocks = [vitrim.BlockSpec("softmax", 64, 1, 64, 64, 128, merge=16) for _ in range(6)]
        spec = vitrim.ModelSpec(image_size=[112, 112], patch_size=8, num_classes=10, embed_dim=64, blocks=blocks)
        model = lively(spec)
        images = torch.full((3, 3, 112, 112), 0.25)
        images[1, :, 40:] = torch.randn(3, 72, 112)
        images[2, :, 20:90] = torch.randn(3, 70, 112)
        with torch.no_grad():
            model.pos_embed.zero_()
            vitrim.save(model, self.path())
            self.assert_near(model(images), library_output(self.path(), images), tolerance(spec))

    def test_training_mode(self):
        """Gradients reach every trained parameter; stochastic depth drops branches in training alone; checkpointing changes no gradient."""
        for name in ("merged_removed_narrowed", "distilled", "swin", "pvt", "pvt_v2_narrowed", "cswin"):
            with self.subTest(name):
                model = lively(variants()[name])
                x = inputs(2, model.spec)
                model.train()
                grads = []
                for checkpointing in (False, True):
                    model.set_grad_checkpointing(checkpointing)
                    model.zero_grad()
                    model(x).square().sum().backward()
                    grads.append({key: p.grad.clone() for key, p in model.named_parameters() if p.requires_grad})
                self.assertFalse([key for key, g in grads[0].items() if not g.abs().max() > 0])
                for key, g in grads[0].items():
                    self.assertTrue(torch.equal(g, grads[1][key]), key)
        spec = vit()
        vitrim.save(lively(spec), self.path())
        model = vitrim.load(self.path(), drop_path_rate=0.5)
        x = inputs(8, spec)
        self.assertTrue(torch.equal(model(x), vitrim.load(self.path())(x)))
        self.assertFalse(torch.equal(model.train()(x), model(x)))

    def test_distilled_training(self):
        model = lively(vit(distillation_token=True)).train()
        model.set_distilled_training()
        x = inputs(2, model.spec)
        pair = model(x)
        self.assertEqual(len(pair), 2)
        model.eval()
        self.assertTrue(torch.allclose(model(x), (pair[0] + pair[1]) / 2))

    def test_half_precision(self):
        for name in ("plain", "merged", "flatten_swin", "cswin"):
            with self.subTest(name), torch.no_grad():
                model = lively(variants()[name])
                x = inputs(4, model.spec)
                got, wanted = model.bfloat16()(x.bfloat16()).float(), lively(model.spec)(x)
                # bfloat16 has 8 bits: 2^16 times float32's rounding, as a root over the sums; matching may tip, so only the size is held.
                self.assertLess(((got - wanted).norm() / wanted.norm()).item(), 0.25)


class Files(Case):
    def test_without_safetensors(self):
        """A missing package is named with the command that installs it."""
        with mock.patch.dict(sys.modules, {"safetensors": None}):
            sys.modules.pop("safetensors.torch")
            with self.assertRaisesRegex(ImportError, "pip install safetensors"):
                vitrim.load(SMALL)

    def test_round_trip(self):
        for name, spec in variants().items():
            with self.subTest(name):
                model = lively(spec)
                vitrim.save(model, self.path())
                again = vitrim.load(self.path())
                self.assertEqual(list(again.state_dict()), list(model.state_dict()))
                for key, value in model.state_dict().items():
                    self.assertTrue(torch.equal(value, again.state_dict()[key]), key)
                self.assertEqual(again.spec, spec)
                self.assertFalse(again.training)

    def test_a_field_that_is_not_declared_is_refused(self):
        from unittest import mock

        from vitrim import spec as table
        for change, key in ((lambda spec: setattr(spec, "gated_mlp", True), "gated_mlp"), (lambda spec: setattr(spec.blocks[0], "merge", 2), "blocks.merge")):
            spec = vit()
            change(spec)
            self.assertEqual(table.why_not(spec), "")
            with mock.patch.object(table, "FOLLOWED", table.FOLLOWED - {key}):
                self.assertEqual(table.why_not(vit()), "")
                with self.assertRaisesRegex(vitrim.FormatError, f'Python modules do not support field "{key}"'):
                    vitrim.ModelSpec.from_json(spec.to_json())

    def test_the_spec_is_the_programs_own_text(self):
        text = safetensors.safe_open(SMALL, "pt").metadata()["vitrim.spec"]
        self.assertEqual(vitrim.ModelSpec.from_json(text).to_json(), text)

    def test_former_names_of_fields_are_read(self):
        spec = staged("flatten_swin")
        spec.blocks[0].per_head_filters = True
        text = spec.to_json()
        older = text.replace('"per_head_filters"', '"own_filters"')
        self.assertNotEqual(older, text)
        self.assertEqual(vitrim.ModelSpec.from_json(older).to_json(), text)
        text = staged("cswin").to_json()
        older = text.replace('"cross_shaped_window"', '"cross_window"')
        self.assertNotEqual(older, text)
        self.assertEqual(vitrim.ModelSpec.from_json(older).to_json(), text)

    def test_program_loads_what_was_saved(self):
        """After a new classifier too, and from what torch.compile wraps."""
        self.needs_library()
        model = lively(removed(merged(vit(), 0, 2, 2, 0), 3))
        model.reset_classifier(7)
        self.assertEqual((model.num_classes, model.get_classifier().out_features, model.default_cfg["num_classes"]), (7, 7, 7))
        wrapped = torch.compile(model)  # not run: nothing is compiled
        vitrim.save(wrapped, self.path(), dtype=torch.bfloat16)
        x = inputs(3, model.spec)
        with torch.no_grad():
            again = vitrim.load(self.path())
            self.assertEqual(again.num_classes, 7)
            self.assert_near(again(x), library_output(self.path(), x), tolerance(model.spec))
            # Every weight is rounded to 8 bits.
            self.assertLess(((again(x) - model(x)).norm() / model(x).norm()).item(), 0.1)

    def test_new_classifier_while_loading(self):
        vitrim.save(lively(vit()), self.path())
        self.assertEqual(vitrim.load(self.path(), num_classes=3)(inputs(2, vit())).shape, (2, 3))
        self.assertEqual(vitrim.load(self.path(), num_classes=0)(inputs(2, vit())).shape, (2, 32))

    def test_other_programs_checkpoint(self):
        """timm's names without metadata: the library reads the file; without the library, the message gives the remedy."""
        self.needs_library()
        model = vitrim.load(SMALL)
        safetensors.torch.save_file({key: value.contiguous() for key, value in model.state_dict().items()}, self.path())
        torch.save(model.state_dict(), self.path("model.pth"))
        for name in ("model.safetensors", "model.pth"):
            opened, _ = native.open_model(self.path(name), num_heads=model.spec.blocks[0].num_heads)
            spec, state = native.taken(opened)
            x = inputs(2, model.spec)
            self.assertTrue(torch.equal(vitrim.build(spec, state)(x), model(x)))

    def test_one_of_several_sets_of_weights(self):
        self.needs_library()
        model = vitrim.load(SMALL)
        state = {key: value.contiguous() for key, value in model.state_dict().items()}
        torch.save({"state_dict": {key: -value for key, value in state.items()}, "state_dict_ema": state}, self.path("timm.pth"))
        heads = model.spec.blocks[0].num_heads
        x = inputs(2, model.spec)
        for weights, expected in ((None, state), ("state_dict_ema", state), ("state_dict", {key: -value for key, value in state.items()})):
            spec, taken = native.taken(native.open_model(self.path("timm.pth"), num_heads=heads, weights=weights)[0])
            self.assertTrue(torch.equal(taken["head.weight"], expected["head.weight"]), weights)
            engine = vitrim.Engine(self.path("timm.pth"), num_heads=heads, weights=weights, precision="f32", threads=1)
            self.assertLess((engine(x) - vitrim.build(spec, taken)(x)).abs().max().item(), 1e-3)
        with self.assertRaisesRegex(vitrim.Error, "'teacher' matches none of the sets of weights in this file; they are 'state_dict' and 'state_dict_ema'"):
            native.open_model(self.path("timm.pth"), num_heads=heads, weights="teacher")
        with self.assertRaisesRegex(ValueError, "weights: these apply to files"):
            native.open_model(model, weights="ema")
        with self.assertRaisesRegex(vitrim.Error, "contains only one"):
            vitrim.load(SMALL, weights="ema")

    def test_known_architectures(self):
        self.needs_library()
        self.assertEqual(vitrim.load("deit_tiny_patch16_224").spec.name, "deit_tiny_patch16_224")

    def refused(self, error, words, make=None, **arguments):
        if make:
            make()
        with self.assertRaises(error) as caught:
            vitrim.load(self.path(), **arguments)
        self.assertIn(words, str(caught.exception))
        return caught.exception

    def test_bad_files(self):
        error = self.refused(vitrim.Error, "no such file")
        self.assertIsInstance(error, OSError)

        def write(text):
            with open(self.path(), "wb") as file:
                file.write(text)

        self.refused(vitrim.FormatError, "no safetensors file", lambda: write(b"no such thing, but long enough to be one"))
        whole = safetensors.torch.save(lively(vit()).state_dict(), {"vitrim.spec": vit().to_json()})
        self.refused(vitrim.FormatError, self.path(), lambda: write(whole[:-4]))

        def spec_with(**changes):
            document = {**json.loads(vit().to_json()), **changes}
            safetensors.torch.save_file(lively(vit()).state_dict(), self.path(), {"vitrim.spec": json.dumps(document)})

        self.refused(vitrim.FormatError, "version 2", lambda: spec_with(version=2))
        self.refused(vitrim.FormatError, 'embed_dims: unknown key (the nearest is "embed_dim")', lambda: spec_with(embed_dims=3))
        self.refused(vitrim.FormatError, "embed_dim: expected a whole number", lambda: spec_with(embed_dim="32"))
        self.refused(vitrim.FormatError, "blocks.0.num_heads: the key is missing", lambda: spec_with(blocks=[{"attention": "softmax", "embed_dim": 32}]))
        self.refused(vitrim.FormatError, 'attention "soft" is unknown', lambda: spec_with(blocks=[{**block, "attention": "soft"} for block in json.loads(vit().to_json())["blocks"]]))
        self.refused(vitrim.FormatError, "patch_size does not divide", lambda: spec_with(patch_size=7))
        error = self.refused(vitrim.FormatError, "missing dist_token", lambda: spec_with(distillation_token=True))
        self.assertIn("head_dist.weight", str(error))  # the whole list
        self.assertIsInstance(error, ValueError)
        self.refused(vitrim.FormatError, "head.weight: expected [9, 32], found [10, 32]", lambda: spec_with(num_classes=9))
        # A size that would need terabytes is refused by the weights' shapes before anything is made of it.
        self.refused(vitrim.FormatError, "expected", lambda: spec_with(num_classes=2**20))

    def test_save_refuses(self):
        with self.assertRaises(ValueError):
            vitrim.save(lively(vit()), self.path("model.pth"))
        with self.assertRaises(TypeError):
            vitrim.save(torch.nn.Linear(2, 2), self.path())
        with self.assertRaises(OSError):
            vitrim.save(lively(vit()), self.path("nowhere/model.safetensors"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_images_of_another_size(self):
        with self.assertRaisesRegex(ValueError, r"\[B, 3, 32, 32\], not \[2, 3, 40, 40\]"):
            lively(vit())(torch.zeros(2, 3, 40, 40))


class Tools(Case):
    """torch.export and torch.compile, and the methods that timm's scripts call."""

    # torch.export and torch.compile take seconds a model: all variants with VITRIM_FULL=1 only (tests/full/python_package.sh).
    FULL = os.environ.get("VITRIM_FULL") == "1"

    def test_export_with_any_batch(self):
        names = [name for name in variants() if "_narrowed" not in name or "swin" in name] if self.FULL else ["merged_registers", "flatten_swin_narrowed", "cswin"]
        for name in names:
            with self.subTest(name), torch.no_grad():
                model = lively(variants()[name])
                program = torch.export.export(model, (inputs(2, model.spec),), dynamic_shapes={"x": {0: torch.export.Dim("batch")}})
                for count in (1, 5):
                    x = inputs(count, model.spec, seed=count)
                    self.assert_near(program.module()(x), model(x), tolerance(model.spec))

    def test_compile(self):
        """One graph without breaks; with VITRIM_FULL=1 also compiled to machine code."""
        for name in ("merged_removed_narrowed", "flatten_swin"):
            model = lively(variants()[name])
            x = inputs(3, model.spec)
            with self.subTest(name), torch.no_grad():
                got = torch.compile(model, fullgraph=True, backend="inductor" if self.FULL else "aot_eager")(x)
                self.assert_near(got, model(x), tolerance(model.spec))

    def test_attributes(self):
        model = lively(vit(distillation_token=True))
        self.assertEqual((model.num_classes, model.num_features, model.embed_dim), (10, 32, 32))
        self.assertEqual(model.no_weight_decay(), {"cls_token", "dist_token", "pos_embed"})
        config = model.pretrained_cfg
        self.assertEqual((config["input_size"], config["mean"], config["crop_pct"], config["classifier"]), ((3, 32, 32), (0.5, 0.5, 0.5), 1.0, "head"))
        model.reset_classifier(0)
        self.assertEqual(model(inputs(2, model.spec)).shape, (2, 32))
        with self.assertRaises(ValueError):
            model.reset_classifier(5, "avg")
        self.assertEqual(lively(staged("swin")).get_classifier().out_features, 10)
        self.assertEqual(len(lively(staged("flatten_swin")).no_weight_decay()), 6)
        self.assertEqual(colours(2).dtype, torch.uint8)


if __name__ == "__main__":
    cases.main("python_load")
