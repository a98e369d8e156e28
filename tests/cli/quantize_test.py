#!/usr/bin/env python3
"""`vitrim quantize` from outside, and the other commands on a quantised model."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case  # noqa: E402


def header_of(path):
    with open(path, "rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def int8_of(path):
    """The int8 layers of every block, as the spec in the file says them."""
    return [block.get("int8", []) for block in json.loads(header_of(path)["__metadata__"]["vitrim.spec"])["blocks"]]


class Quantize(Case):
    def quantize(self, *arguments, output="q.safetensors"):
        return self.json_of("quantize", "model.safetensors", *arguments, "-o", output)

    def test_every_layer_of_the_blocks(self):
        result = self.quantize(*CALIB, "--images", "16", "--eval", "synthetic:test:80", "--eval-images", "40", "--report", "page.html")
        self.assertEqual(int8_of(self.path("q.safetensors")), [["qkv", "proj", "fc1", "fc2"]] * 4)
        layers = result["quantization"]["layers"]
        self.assertEqual(len(layers), 16)
        self.assertEqual(layers[0]["name"], "blocks.0.attn.qkv")
        for layer in layers:
            # Normally distributed weights in 254 steps of their largest: about 0.6 % of their size.
            self.assertTrue(0.002 < layer["weight_error"] < 0.02, layer)
            self.assertTrue(layer["int8"] and layer["kl"] > 0, layer)
            self.assertIn(layer["alpha"], (0, 0.25, 0.5, 0.75))
        self.assertEqual((result["quantization"]["fit_images"], result["quantization"]["held_out_images"]), (13, 3))
        self.assertLessEqual(result["held_out_kl"], result["quantization"]["plain_kl"])
        self.assertGreater(result["held_out_agreement"], 0.8)
        self.assertTrue(0 < result["held_out_kl"] < 0.01)
        self.assertIn("paired", result)
        self.assertEqual(result["compressed"]["params"], result["dense"]["params"])
        self.assertEqual(result["compressed"]["macs"], result["dense"]["macs"])
        header = header_of(self.path("q.safetensors"))
        self.assertEqual(header["blocks.1.mlp.fc2.weight"]["dtype"], "I8")
        self.assertEqual(header["blocks.1.mlp.fc2.weight_scale"]["shape"], [64, 1])
        self.assertEqual(header["head.weight"]["dtype"], "F32")
        figures = result["quantization"]
        self.assertLess(figures["bytes_after"], 0.35 * figures["bytes_before"])  # the embedding is a tenth of this small model
        self.assertLess(os.path.getsize(self.path("q.safetensors")), 0.4 * os.path.getsize(self.path("model.safetensors")))

    def test_engines_agree(self):
        self.quantize()
        sides = [self.json_of("eval", "q.safetensors", "--data", "synthetic:test:60", "--engine", engine, "--precision", "f32") for engine in ("libtorch", "native")]
        self.assertLessEqual(sum(a != b for a, b in zip(sides[0]["correct"], sides[1]["correct"])), 1)
        rows = self.json_of("bench", "q.safetensors", "--against", "model.safetensors", "--rounds", "3", "--warm-up", "0", "--peak-seconds", "0.05", "--batch", "2")
        self.assertEqual([row["precision"].startswith("int8, ") for row in rows["rows"]], [False, True])
        self.assertGreater(rows["byte_peak"], 0)
        self.assertLess(rows["rows"][1]["weight_bytes"], rows["rows"][0]["weight_bytes"])

    def test_kept_layers(self):
        self.quantize("--keep", "blocks.3.mlp.fc2,proj")
        self.assertEqual(int8_of(self.path("q.safetensors")), [["qkv", "fc1", "fc2"]] * 3 + [["qkv", "fc1"]])
        self.assertEqual(header_of(self.path("q.safetensors"))["blocks.3.mlp.fc2.weight"]["dtype"], "F32")
        blocks = self.json_of("inspect", "q.safetensors")["blocks"]
        self.assertEqual([block["int8"] for block in blocks], int8_of(self.path("q.safetensors")))

    def test_the_convention_in_the_metadata(self):
        self.quantize("--keep", "blocks.3.mlp.fc2,proj")
        header = header_of(self.path("q.safetensors"))
        config = json.loads(header["__metadata__"]["quantization_config"])
        self.assertEqual((config["quant_method"], config["format"]), ("compressed-tensors", "int-quantized"))
        group = config["config_groups"]["group_0"]
        self.assertEqual([f"{name}.weight" for name in group["targets"]], [name for name, entry in header.items() if entry.get("dtype") == "I8"])
        self.assertEqual((group["weights"]["strategy"], group["weights"]["dynamic"]), ("channel", False))
        self.assertEqual((group["input_activations"]["strategy"], group["input_activations"]["dynamic"]), ("token", True))
        self.assertNotIn("quantization_config", header_of(self.path("model.safetensors"))["__metadata__"])

    def test_weights_of_four_bits(self):
        result = self.quantize("--weight-bits", "4", "--keep", "blocks.3.mlp.fc2", "--eval", "synthetic:test:60", "--report", "page.html")
        self.assertTrue(result["reason"].endswith("their weights in 4 bits"), result["reason"])
        layers = {layer["name"]: layer for layer in result["quantization"]["layers"]}
        # Normally distributed weights in 15 steps of the largest of 32: about 8 % of their size.
        self.assertTrue(0.04 < layers["blocks.0.mlp.fc1"]["weight_error"] < 0.1)
        self.assertEqual((layers["blocks.0.mlp.fc1"]["weight_bits"], layers["blocks.3.mlp.fc2"]["int8"]), (4, False))
        header = header_of(self.path("q.safetensors"))
        entries = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name.startswith("blocks.1.mlp.fc2.weight")}
        self.assertEqual(entries, {f"blocks.1.mlp.fc2.weight_{part}": entry for part, entry in {"packed": ("I32", [64, 32]), "scale": ("F16", [64, 8]), "shape": ("I64", [2])}.items()})
        self.assertEqual(layers["blocks.1.mlp.fc2"]["bytes"], 64 * 32 * 4 + 64 * 8 * 2 + 16)  # 4.5 bits a weight
        self.assertEqual(result["quantization"]["bytes_after"], sum(entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in header.items() if name != "__metadata__"))
        config = json.loads(header["__metadata__"]["quantization_config"])
        weights = config["config_groups"]["group_0"]["weights"]
        self.assertEqual((config["format"], weights["num_bits"], weights["strategy"], weights["group_size"]), ("pack-quantized", 4, "group", 32))
        sides = [self.json_of("eval", "q.safetensors", "--data", "synthetic:test:60", "--engine", engine, "--precision", "f32")["correct"] for engine in ("libtorch", "native")]
        self.assertLessEqual(sum(a != b for a, b in zip(*sides)), 1)
        self.assertEqual(sides[0], result["compressed"]["correct"])
        inspected = self.json_of("inspect", "q.safetensors")["blocks"]
        self.assertEqual([layer.get("weight_bits") for layer in inspected[3]["layers"]], [4, 4, 4, None])
        # Commands that change no weight keep the bits.
        self.run_vitrim("merge", "q.safetensors", "--r", "2", "--pays-at", "0", "-o", "m.safetensors", "--quiet")
        self.assertEqual({name: entry["shape"] for name, entry in header_of(self.path("m.safetensors")).items() if name != "__metadata__"},
                         {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"})
        self.refuse("quantize", "model.safetensors", "--weight-bits", "3", "-o", "o.safetensors", says="--weight-bits", expect=2)

    def test_a_budget(self):
        plain = self.quantize(*CALIB, "--images", "24")
        whole = plain["held_out_kl"]
        # Fits in bfloat16 differ, and are measured with the same ruler.
        fast = self.quantize(*CALIB, "--images", "24", "--precision", "bf16")["quantization"]
        self.assertEqual(fast["plain_kl"], plain["quantization"]["plain_kl"])
        self.assertNotEqual(fast["kl"], plain["quantization"]["kl"])
        result = self.quantize(*CALIB, "--images", "24", "--budget-kl", str(whole / 2), "--report", "page.html")
        self.assertLessEqual(result["held_out_kl"], whole / 2)
        layers = result["quantization"]["layers"]
        floats = [layer for layer in layers if not layer["int8"]]
        self.assertTrue(0 < len(floats) < 16)
        self.assertGreaterEqual(min(layer["kl"] for layer in floats), max(layer["kl"] for layer in layers if layer["int8"]))
        self.assertEqual(sum(map(len, int8_of(self.path("q.safetensors")))), 16 - len(floats))
        inspected = [layer for block in self.json_of("inspect", "q.safetensors")["blocks"] for layer in block["layers"]]
        self.assertEqual([(layer["name"], layer["int8"], layer["kl"]) for layer in inspected], [(layer["name"], layer["int8"], layer["kl"]) for layer in layers])
        self.refuse("quantize", "model.safetensors", *CALIB, "--images", "24", "--budget-kl", "1e-15", "-o", "o.safetensors", says="--budget-kl")
        self.refuse("quantize", "model.safetensors", "--budget-kl", "0.1", "-o", "o.safetensors", says="--calib", expect=2)

    def test_smaller_files_of_the_rest(self):
        self.quantize("--save-dtype", "bf16")
        header = header_of(self.path("q.safetensors"))
        self.assertEqual([header[name]["dtype"] for name in ("head.weight", "blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.weight_scale")], ["BF16", "I8", "F32"])
        self.json_of("eval", "q.safetensors", "--data", "synthetic:test:4")

    def test_on_top_of_what_is_taken_out(self):
        self.run_vitrim("compress", "model.safetensors", *CALIB, "--remove-attention", "0,2", "--no-absorb", "-o", "c.safetensors", "--quiet")
        self.run_vitrim("quantize", "c.safetensors", "-o", "q.safetensors", "--quiet")
        self.assertEqual(int8_of(self.path("q.safetensors"))[0], ["fc1", "fc2"])
        self.run_vitrim("merge", "q.safetensors", "--r", "2", "--pays-at", "0", "-o", "m.safetensors", "--quiet")
        self.assertEqual(int8_of(self.path("m.safetensors")), int8_of(self.path("q.safetensors")))
        self.json_of("eval", "m.safetensors", "--data", "synthetic:test:4", "--engine", "native")

    def test_as_the_last_step_of_others(self):
        calib = (*CALIB, "--images", "24")
        evaluated = ("--eval", "synthetic:test:20")
        results = {
            "compress": self.json_of("compress", "model.safetensors", *calib, "--remove-attention", "0", "--epochs", "0", "--quantize", *evaluated, "-o", "compress.safetensors"),
            "prune": self.json_of("prune", "model.safetensors", "--few-shot", "--data", "synthetic:calib:24", "--attention-macs", "80%", "--block-epochs", "0", "--quantize", *evaluated, "-o", "prune.safetensors"),
            "merge": self.json_of("merge", "model.safetensors", "--r", "2", "--pays-at", "0", *calib, "--quantize", *evaluated, "-o", "merge.safetensors"),
        }
        for command, result in results.items():
            with self.subTest(command):
                self.assertTrue(result["reason"].endswith("linear layers in int8"), result["reason"])
                self.assertGreater(result["quantization"]["held_out_images"], 2)
                self.assertIn("paired", result)
                evaluated_again = self.json_of("eval", command + ".safetensors", "--data", "synthetic:test:20")
                self.assertEqual(evaluated_again["correct"], result["compressed"]["correct"])
                self.assertEqual(int8_of(self.path(command + ".safetensors"))[1], ["qkv", "proj", "fc1", "fc2"])
        self.run_vitrim("merge", "model.safetensors", "--r", "2", "--pays-at", "0", "--quantize", "-o", "plain.safetensors", "--quiet")
        self.assertEqual(int8_of(self.path("plain.safetensors"))[0], ["qkv", "proj", "fc1", "fc2"])
        self.run_vitrim("sweep", "model.safetensors", *calib, "--remove", "1", "--epochs", "0", "--quantize", "-o", "front", "--quiet")
        swept = int8_of(self.path("front/removed_1.safetensors"))  # the search chooses which block loses its attention
        self.assertEqual(swept.count(["fc1", "fc2"]), 1)
        self.assertEqual(swept.count(["qkv", "proj", "fc1", "fc2"]), len(swept) - 1)

    def test_a_plan_with_int8(self):
        plan = self.json_of("plan", "model.safetensors", *CALIB, "--images", "40", "--budget", "macs<=100%", "--quantize", "--without", "static,pruning,mlp,removal", "--measure", "2", "--rounds", "3", "-o", "plan.safetensors")
        self.assertIn("int8", [move["move"] for move in plan["moves"]])
        self.assertTrue(any(row.get("int8") for row in plan["rows"] + plan["dominated"]))
        self.assertEqual({pieces.get("int8", False) for pieces in plan["table"]["batches"]}, {False, True})

    def test_refusals(self):
        self.quantize()
        out = ("-o", "o.safetensors")
        self.refuse("quantize", "q.safetensors", *out, says="quantise last")
        self.refuse("quantize", "model.safetensors", "--keep", "blocks.3.mlp.fc3", *out, says="did you mean 'blocks.3.mlp.fc", expect=2)
        self.refuse("quantize", "model.safetensors", "--keep", "qkv,proj,fc1,fc2", *out, says="nothing is left", expect=2)
        self.refuse("compress", "q.safetensors", *CALIB, "--remove-attention", "1", *out, says="quantise last")
        self.refuse("prune", "q.safetensors", "--few-shot", "--data", "synthetic:calib:16", "--attention-macs", "80%", *out, says="quantise last")
        self.refuse("dilute", "q.safetensors", "--data", "synthetic:train:32", "--remove-attention", "1", *out, says="quantise last")
        for form in ("safetensors", "timm"):
            self.refuse("export", "q.safetensors", "--format", form, *out, says=("q.safetensors", "int8", "--format onnx"))
        self.refuse("export", "model.safetensors", *CALIB, "-o", "o.onnx", says=("model.safetensors", "vitrim quantize"), expect=2)
        self.refuse("merge", "q.safetensors", "--r", "2", "--pays-at", "0", "--quantize", *out, says="quantise last")
        self.refuse("sweep", "q.safetensors", *CALIB, "--remove", "1", "-o", "front", says="quantise last")
        self.refuse("plan", "q.safetensors", *CALIB, "--budget", "macs<=60%", says="quantise last")
        self.refuse("prune", "model.safetensors", "--data", "synthetic:train:32", "--attention-macs", "80%", "--quantize", *out, says="vitrim quantize", expect=2)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("quantize_program")
