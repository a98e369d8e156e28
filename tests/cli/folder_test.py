#!/usr/bin/env python3
"""`-o FOLDER/`: the files that a model hub expects, read back by every command."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import CALIB, Case  # noqa: E402

FILES = ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]


def front_matter(card):
    """The card's YAML block, as lines."""
    lines = card.split("\n")
    assert lines[0] == "---", lines[:3]
    return lines[1:lines.index("---", 1)]


class Folder(Case):
    def text(self, *names):
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def spec_of(self, model):
        self.run_vitrim("inspect", model, "--write-spec", "read.json")
        return json.loads(self.text("read.json"))

    def test_compress_writes_a_folder(self):
        result = self.json_of("compress", "model.safetensors", *CALIB, "--remove-attention", "1", "--epochs", "0", "--eval", "synthetic:test:40", "-o", "small/", "--report",
                              "small/page.html")
        self.assertEqual(sorted(os.listdir(self.path("small"))), sorted([*FILES, "page.html"]))
        config = json.loads(self.text("small", "config.json"))
        self.assertEqual(config["model_type"], "vitrim")
        self.assertEqual(config["num_classes"], 10)
        self.assertEqual(config["vitrim"]["task"], "compress")
        self.assertEqual(config["vitrim"]["base_model"], "model.safetensors")
        self.assertIn("--remove-attention 1", config["vitrim"]["command"])
        self.assertEqual(config["vitrim"]["spec"]["blocks"][1]["attention"], "none")
        self.assertNotIn("quantization_config", config)
        card = self.text("small", "README.md")
        front = front_matter(card)
        self.assertIn("pipeline_tag: image-classification", front)
        self.assertEqual([line for line in front if line.startswith("license:")], ["license: # fill in: the license of the original model decides"])
        compressed = result["compressed"]
        low, high = compressed["top1_ci95"]
        self.assertIn(f"| this model | {compressed['params'] / 1e6:.3f} M |", card)
        self.assertIn(f"{100 * compressed['top1']:.1f} % ({100 * low:.1f} to {100 * high:.1f})", card)
        self.assertIn(f"paired difference {100 * result['paired']['difference']:+.1f} points", card)
        self.assertIn(result["manifest"]["command"], card)

    def test_every_command_reads_it(self):
        self.run_vitrim("compress", "model.safetensors", *CALIB, "--remove-attention", "1", "--no-absorb", "-o", "small/")
        spec = json.loads(self.text("small", "config.json"))["vitrim"]["spec"]
        self.assertEqual(self.spec_of("small"), spec)
        self.json_of("eval", "small/", "--data", "synthetic:test:20")
        for command in (["analyze", *CALIB], ["merge", "--r", "1", "--pays-at", "0", "-o", "merged/"], ["quantize", "-o", "q/"],
                        ["prune", "--data", "synthetic:calib:32", "--few-shot", "--attention-macs", "80%", "--set", "channels.round=1", "--block-epochs", "0", "-o", "pruned/"],
                        ["export", "-o", "x.onnx"]):
            self.run_vitrim(command[0], "small", *command[1:])
        for name, task in (("merged", "merge"), ("q", "quantize"), ("pruned", "prune")):
            self.assertEqual(sorted(os.listdir(self.path(name))), FILES, name)
            self.assertEqual(json.loads(self.text(name, "config.json"))["vitrim"]["task"], task)

    def test_quantization_config(self):
        self.run_vitrim("quantize", "model.safetensors", "--keep", "fc2", "-o", "q/")
        quantization = json.loads(self.text("q", "config.json"))["quantization_config"]
        self.assertEqual(quantization["quant_method"], "compressed-tensors")
        targets = quantization["config_groups"]["group_0"]["targets"]
        self.assertEqual((len(targets), [name for name in targets if name.endswith("fc2")]), (12, []))
        self.assertIn("instead of", self.text("q", "README.md"))

    def test_training_writes_a_folder(self):
        self.run_vitrim("dilute", "model.safetensors", "--data", "synthetic:train:40", "--remove-attention", "2", "--epochs", "2", "--dilution-epochs", "1", "--batch-size", "20",
                        "--warm-up-epochs", "0", "--eval", "synthetic:test:20", "-o", "diluted/")
        self.assertEqual(sorted(os.listdir(self.path("diluted"))), FILES)
        self.assertTrue(os.path.exists(self.path("diluted.jsonl")))
        card = self.text("diluted", "README.md")
        self.assertIn("`vitrim dilute`, 2 epochs; the attention of layer 2 was removed", card)
        self.assertIn("(95 % interval)", card)

    def test_preprocessing_comes_back(self):
        """preprocessor_config.json alone states the same as the checkpoint's metadata: the weights without metadata are read with it."""
        self.run_vitrim("quantize", "model.safetensors", "-o", "q/")
        processor = json.loads(self.text("q", "preprocessor_config.json"))
        self.assertEqual(processor["image_processor_type"], "CLIPImageProcessor")
        self.assertEqual((processor["size"], processor["crop_size"]), ({"shortest_edge": 32}, {"height": 32, "width": 32}))
        wanted = self.spec_of("q")["preprocess"]
        os.mkdir(self.path("foreign"))
        with open(self.path("model.safetensors"), "rb") as file:
            whole = file.read()
        length = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8:8 + length])
        header["__metadata__"] = {"num_heads": "1"}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.write("foreign/model.safetensors", len(text).to_bytes(8, "little") + text + whole[8 + length:])
        self.write("foreign/preprocessor_config.json", json.dumps(processor).encode())
        self.assertEqual(self.spec_of("foreign")["preprocess"], wanted)

    def test_a_license_that_was_filled_in_stays(self):
        self.run_vitrim("quantize", "model.safetensors", "-o", "q/")
        card = self.text("q", "README.md").replace("license: # fill in: the license of the original model decides", "license: mit")
        self.write("q/README.md", card.encode())
        self.run_vitrim("quantize", "model.safetensors", "--keep", "fc2", "-o", "q")  # an existing folder needs no slash
        self.assertIn("license: mit", front_matter(self.text("q", "README.md")))
        self.assertIn("quantization_config", json.loads(self.text("q", "config.json")))

    def test_a_failure_leaves_nothing(self):
        self.run_vitrim("quantize", "model.safetensors", "--calib", "missing/", "-o", "q/", expect=1)
        self.assertFalse(os.path.exists(self.path("q")))
        error = self.run_vitrim("quantize", "model.safetensors", "-o", "no/such/", expect=1).stderr
        self.assertIn("no such folder", error)
        error = self.run_vitrim("quantize", "model.safetensors", "-o", "model", expect=2).stderr
        self.assertIn("end the name in .safetensors, or in / to write a folder", error)
        self.write("q", b"in the way")
        self.assertIn("q", self.run_vitrim("quantize", "model.safetensors", "-o", "q/", expect=1).stderr)
        self.assertEqual(self.read("q"), b"in the way")


if __name__ == "__main__":
    cases.main("folder_program")
