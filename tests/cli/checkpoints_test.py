#!/usr/bin/env python3
"""Checkpoints of other libraries from outside: folders, shards, and the config.json beside them."""

import json
import os
import shutil
import struct
import sys
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, HERE)
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case, write_model, write_png  # noqa: E402

FIXTURES = os.path.join(HERE, "..", "model", "fixtures")
FAMILIES = {"vit": "transformers (ViT, DeiT, ViTMAE)", "vit_mae": "transformers (ViT, DeiT, ViTMAE)", "dinov2_registers": "transformers (DINOv2)",
            "clip_projection": "transformers (CLIP, SigLIP)", "swin": "transformers (Swin)", "timm_eva_giant": "timm"}


class Checkpoints(Case):
    def take(self, name):
        shutil.copytree(os.path.join(FIXTURES, name), self.path(name))
        return name

    def test_inspect_says_what_was_read(self):
        for name, names in FAMILIES.items():
            out = self.json_of("inspect", os.path.join(FIXTURES, name))
            self.assertIn("names of tensors: " + names, out["model"]["from"], name)
            self.assertTrue(any(line.startswith("config.json: ") for line in out["model"]["from"]), name)
        words = self.run_vitrim("inspect", os.path.join(FIXTURES, "vit")).stdout
        for part in ("5 classes", "squashed to 32 (bilinear)", "norm epsilon 1e-12", "cat; dog", "preprocessor_config.json: preprocessing"):
            self.assertIn(part, words)
        self.assertIn("quick_gelu", self.run_vitrim("inspect", os.path.join(FIXTURES, "clip_projection")).stdout)
        self.assertIn("silu with a gate", self.run_vitrim("inspect", os.path.join(FIXTURES, "timm_dinov2_giant")).stdout)

    def test_a_folder_its_file_and_shards_are_the_same_model(self):
        whole, parts = self.take("vit"), self.take("vit_sharded")
        specs = [self.json_of("inspect", model)["model"] for model in (whole, whole + "/model.safetensors")]
        self.assertEqual(specs[0], specs[1])
        self.assertEqual(self.json_of("inspect", parts + "/model.safetensors.index.json")["params"], self.json_of("inspect", parts)["params"])
        os.remove(self.path(parts, "model-00002-of-00003.safetensors"))
        self.refuse("inspect", parts, says=("model.safetensors.index.json", "1 of its 3 files are missing", "model-00002-of-00003.safetensors"))

    def wrap(self, name, *prefixes, more=()):
        """model.safetensors once under each prefix, the values of every further one negated by their sign bits, and small tensors more."""
        data = self.read("model.safetensors")
        size = struct.unpack("<Q", data[:8])[0]
        header, body = json.loads(data[8:8 + size]), data[8 + size:]
        header.pop("__metadata__")
        negated = bytearray(body)
        negated[3::4] = bytes(byte ^ 128 for byte in body[3::4])
        out = {}
        for i, prefix in enumerate(prefixes):
            for key, entry in header.items():
                out[prefix + key] = {**entry, "data_offsets": [offset + i * len(body) for offset in entry["data_offsets"]]}
        end = len(prefixes) * len(body)
        for i, key in enumerate(more):
            out[key] = {"dtype": "F32", "shape": [1], "data_offsets": [end + 4 * i, end + 4 * i + 4]}
        text = json.dumps(out).encode()
        self.write(name, struct.pack("<Q", len(text)) + text + body + bytes(negated) * (len(prefixes) - 1) + bytes(4 * len(more)))

    def test_one_of_several_sets_of_weights(self):
        self.wrap("timm.safetensors", "state_dict.", "state_dict_ema.module.", more=("optimizer.state.0.exp_avg", "val_acc.tp"))
        done = self.run_vitrim("export", "timm.safetensors", "-o", "average.safetensors", "--format", "safetensors", "--quiet")
        said = [line for line in done.stderr.splitlines() if "the file also contains state_dict (--weights)" in line]
        self.assertEqual(len(said), 1, done.stderr)
        self.assertIn("those under 'state_dict_ema', the averaged set, which timm uses for inference", said[0])
        self.assertIn("left out: 1 tensor that does not belong to the model (val_acc.tp)", done.stderr)
        self.run_vitrim("export", "timm.safetensors", "--weights", "state_dict", "-o", "raw.safetensors", "--format", "safetensors", "--quiet")
        average, raw = self.read("average.safetensors"), self.read("raw.safetensors")
        self.assertEqual(len(average), len(raw))
        self.assertNotEqual(average, raw)
        self.assertIn("weights: those under 'state_dict_ema'", self.json_of("inspect", "timm.safetensors")["model"]["from"][0])
        self.refuse("inspect", "timm.safetensors", "--weights", "teacher", says=("timm.safetensors", "'state_dict'", "'state_dict_ema'"))
        self.refuse("inspect", "deit_tiny_patch16_224", "--weights", "ema", says="without --weights")
        # Properties that can't be known are requested, before any work and by every command.
        self.wrap("two.safetensors", "image.", "sketch.")
        self.refuse("compress", "two.safetensors", *CALIB, "--remove-attention", "1", "-o", "out.safetensors", says=("--weights", "'image' or 'sketch'"))
        out = self.json_of("compress", "two.safetensors", "--weights", "sketch", *CALIB, "--mean", "0.5", "--std", "0.5", "--remove-attention", "1",
                           "-o", "out.safetensors")
        self.assertEqual(out["removed"], [1])
        for command in ("analyze", "bench", "compress", "dilute", "eval", "export", "inspect", "merge", "plan", "prune", "quantize", "sweep", "train"):
            self.assertIn("--weights NAME", self.run_vitrim(command, "--help-all").stdout, command)

    def test_ids_of_a_hub(self):
        model = self.path("hub", "models--google--vit-base", "snapshots", "0a1b")
        shutil.copytree(os.path.join(FIXTURES, "vit"), model)
        os.makedirs(self.path("hub", "models--google--vit-base", "refs"))
        self.write("hub/models--google--vit-base/refs/main", b"0a1b")
        with mock.patch.dict(os.environ, HF_HUB_CACHE=self.path("hub"), HOME=self.path("home")):
            for source in ("google/vit-base", self.path("hub", "models--google--vit-base")):
                self.assertEqual(self.json_of("inspect", source)["model"]["class_names"][0], "cat")
            self.refuse("inspect", "google/vit-large", says=("no file or folder 'google/vit-large'", self.path("hub"), "hf download google/vit-large"))
            self.refuse("inspect", "deit_tiny_patch16_224.fb_in1k", says=("timm's name", "hf download timm/deit_tiny_patch16_224.fb_in1k", "random weights"))
            os.makedirs(self.path("home"))
            shutil.move(self.path("model.safetensors"), self.path("home", "model.safetensors"))
            self.run_vitrim("inspect", "~/model.safetensors", "--json=~/out.json")
            self.assertTrue(os.path.exists(self.path("home", "out.json")))

    def test_a_compressed_model_stands_alone(self):
        folder = self.take("dinov2_swiglu")
        out = self.json_of("compress", folder, *CALIB, "--mean", "0.5", "--std", "0.5", "--remove-attention", "1", "-o", "small.safetensors")
        self.assertEqual(out["removed"], [1])
        shutil.rmtree(self.path(folder))
        spec = self.json_of("inspect", "small.safetensors")
        self.assertTrue(spec["model"]["gated_mlp"])
        self.assertEqual([block["attention"] for block in spec["blocks"]], ["softmax", "none"])

    def test_preprocessing_comes_from_the_processor(self):
        folder = self.take("vit")
        for name in ("cat", "dog"):
            os.makedirs(self.path("images", name))
            write_png(self.path("images", name, "one.png"), side=40, seed=len(name))
        self.write("classes.txt", b"cat\ndog\nbird\nfish\ntree\n")
        evaluate = ("eval", folder, "--data", "images", "--classes", "classes.txt")
        self.assertEqual(self.json_of(*evaluate)["images"], 2)
        os.remove(self.path(folder, "preprocessor_config.json"))
        self.refuse(*evaluate, says=("--mean", "--std"), expect=2)

    def test_units_of_a_processor(self):
        """MMCV's and Caffe's numbers, which are for pixels from 0 to 255: the model is read, and its preprocessing is requested. Without rescaling
        they are right."""
        folder = self.take("vit")
        for mean, std in ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ([0.5] * 3, [127.5] * 3):
            self.write(os.path.join(folder, "preprocessor_config.json"), json.dumps({"image_mean": mean, "image_std": std}).encode())
            said = self.run_vitrim("inspect", folder)
            self.assertRegex(said.stderr, "preprocessor_config.json: image_mean: .*pixels from 0 to 255.*preprocessing is not taken from this file")
            self.assertNotIn("mean 1", said.stdout)
            self.refuse("eval", folder, "--data", "synthetic:test:5", says=("--mean", "--std"), expect=2)
        self.write(os.path.join(folder, "preprocessor_config.json"), json.dumps({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}).encode())
        self.assertIn("mean 0.5 0.5 0.5, std 0.5 0.5 0.5", self.run_vitrim("inspect", folder).stdout)

    def test_what_does_not_fit_is_said(self):
        folder = self.take("vit")
        config = json.loads(self.read(os.path.join(folder, "config.json")))
        self.write(os.path.join(folder, "config.json"), json.dumps({**config, "hidden_size": 24}).encode())
        self.refuse("inspect", folder, says=("config.json", "24", "16", "another model"))
        self.write(os.path.join(folder, "config.json"), json.dumps({**config, "model_type": "resnet"}).encode())
        self.refuse("inspect", folder, says=("'resnet'", "dinov2"))
        self.write(os.path.join(folder, "config.json"), b"{}")
        done = self.run_vitrim("inspect", folder, "--num-heads", "2")
        self.assertIn("config.json contains neither", done.stderr)
        os.makedirs(self.path("empty"))
        self.refuse("inspect", "empty", says=("contains no model.safetensors", "name a checkpoint file"))

    def test_what_is_assumed_is_said(self):
        self.assertEqual([one["field"] for one in self.json_of("inspect", "model.safetensors")["assumed"]], ["pooling"])
        write_model(self.path("silent.safetensors"), metadata={})
        done = self.run_vitrim("inspect", "silent.safetensors", "--json", "out.json")
        assumed = {one["field"]: one for one in json.loads(self.read("out.json"))["assumed"]}
        self.assertEqual({field: assumed[field]["value"] for field in ("num_heads", "norm_eps", "activation", "image_size", "pooling")},
                         {"num_heads": 1, "norm_eps": 1e-6, "activation": "gelu", "image_size": 32, "pooling": "token"})
        self.assertEqual([field for field in assumed if not assumed[field]["guess"]], ["pooling"])
        self.assertEqual(assumed["num_heads"]["flag"], "--num-heads")
        self.assertIn("assumed: num_heads 1 (", done.stdout)
        self.assertNotIn("state everything", done.stderr)  # these lines already say it
        self.assertIn("state everything", self.run_vitrim("inspect", "silent.safetensors", "--quiet").stderr)
        # Every command warns once, in one line.
        data = ("--data", "synthetic:test:4", "--mean", "0.5", "--std", "0.5", "--resize", "none")
        said = [line for line in self.run_vitrim("eval", "silent.safetensors", *data, "--json", "-").stderr.splitlines() if line.startswith("warning: ")]
        self.assertEqual(len(said), 1, said)
        for words in ("silent.safetensors: its files do not state everything", "num_heads 1 (", "--num-heads", "--norm-eps", "--activation"):
            self.assertIn(words, said[0])
        flags = ("--num-heads", "2", "--norm-eps", "1e-5", "--activation", "relu", "--pooling", "average", "--image-size", "32")
        out = self.json_of("inspect", "silent.safetensors", *flags)
        self.assertEqual(out["assumed"], [])
        self.assertEqual((out["blocks"][0]["num_heads"], out["model"]["norm_eps"], out["model"]["activation"], out["model"]["pooling"]), (2, 1e-5, "relu", "average"))
        self.refuse("inspect", "silent.safetensors", "--activation", "mish", says="mish", expect=2)
        self.assertIn("short side to 35 pixels", self.run_vitrim("eval", "silent.safetensors", *data[:-2]).stderr)
        # What a flag of the command states is not warned of.
        write_model(self.path("resized.safetensors"), metadata={"mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5"})
        evaluate = ("eval", "resized.safetensors", "--data", "synthetic:test:4")
        said = self.run_vitrim(*evaluate).stderr
        self.assertIn("preprocess.resize 35 (", said)
        self.assertIn("preprocess.interpolation bicubic (", said)
        said = self.run_vitrim(*evaluate, "--resize", "32").stderr
        self.assertNotIn("preprocess.resize", said)
        self.assertIn("preprocess.interpolation", said)
        stated = ("--resize", "32", "--interpolation", "bilinear")
        self.assertNotIn("preprocess.", self.run_vitrim(*evaluate, *stated).stderr)
        # Nor for other models of the command, nor where no image is resized for the model.
        train = ("train", "--recipe", "plain", "--data", "synthetic:train:8", "--batch-size", "8", "--epochs", "1", "-o", "o.safetensors")
        for command in ((*evaluate, "--retrieval", "--against", "resized.safetensors", "--neighbours", "2", *stated), (*train, "--init", "resized.safetensors", *stated),
                        (*train, "--init", "model.safetensors", "--teacher", "resized.safetensors"), ("bench", "resized.safetensors", "--rounds", "1", "--batch", "1")):
            with self.subTest(command):
                self.assertNotIn("preprocess.", self.run_vitrim(*command).stderr)

    def test_blocks_without_attention_ask_for_their_gain(self):
        write_model(self.path("cut.safetensors"), without=(1,))
        data = ("--data", "synthetic:test:8")
        self.refuse("eval", "cut.safetensors", *data, says=("cut.safetensors", "without attention (1)", "--stream-gain 1 or --stream-gain 2"))
        self.refuse("eval", "cut.safetensors", *data, "--stream-gain", "3", says="--stream-gain", expect=2)
        for gain in "12":
            self.assertEqual(self.json_of("eval", "cut.safetensors", *data, "--stream-gain", gain)["images"], 8)
            blocks = self.json_of("inspect", "cut.safetensors", "--stream-gain", gain)["blocks"]
            self.assertEqual([block["stream_gain"] for block in blocks], [1, int(gain), 1, 1])
        self.assertIn("none, stream x 2", self.run_vitrim("inspect", "cut.safetensors", "--stream-gain", "2").stdout)

    def test_the_engine_runs_them(self):
        for name in ("clip_projection", "dinov2", "dinov2_swiglu", "swin", "timm_eva_giant"):  # QuickGELU, token and average, gated MLPs, stages
            out = self.json_of("bench", os.path.join(FIXTURES, name), "--engine", "native", "--precision", "f32", "--batch", "2", "--rounds", "1",
                               "--warm-up", "0", "--peak-seconds", "0")
            # bench compares outputs with LibTorch's before timing; float32 sums of some hundred products through a few blocks.
            self.assertLess(out["output_difference"], 1e-4, name)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("checkpoints_program")
