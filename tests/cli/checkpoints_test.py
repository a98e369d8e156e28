#!/usr/bin/env python3
"""Checkpoints of other libraries from outside: folders, shards, and the config.json beside them."""

import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, HERE)
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case, write_png  # noqa: E402

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

    def test_what_does_not_fit_is_said(self):
        folder = self.take("vit")
        config = json.loads(self.read(os.path.join(folder, "config.json")))
        self.write(os.path.join(folder, "config.json"), json.dumps({**config, "hidden_size": 24}).encode())
        self.refuse("inspect", folder, says=("config.json", "24", "16", "another model"))
        self.write(os.path.join(folder, "config.json"), json.dumps({**config, "model_type": "resnet"}).encode())
        self.refuse("inspect", folder, says=("'resnet'", "dinov2"))
        self.write(os.path.join(folder, "config.json"), b"{}")
        done = self.run_vitrim("inspect", folder, "--num-heads", "2")
        self.assertIn("config.json names neither", done.stderr)
        os.makedirs(self.path("empty"))
        self.refuse("inspect", "empty", says=("holds no model.safetensors", "name a checkpoint file"))

    def test_the_engine_runs_them(self):
        for name in ("clip_projection", "dinov2", "dinov2_swiglu", "swin", "timm_eva_giant"):  # QuickGELU, token and average, gated MLPs, stages
            out = self.json_of("bench", os.path.join(FIXTURES, name), "--engine", "native", "--precision", "f32", "--batch", "2", "--rounds", "1",
                               "--warm-up", "0", "--peak-seconds", "0")
            # bench holds outputs against LibTorch's before it times; float32 sums of some hundred products through a few blocks.
            self.assertLess(out["output_difference"], 1e-4, name)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models are tiny, and other tests run beside this one
    cases.main("checkpoints_program")
