#!/usr/bin/env python3
"""`vitrim bench` and the native engine from outside: the contents of the result, not the speed.

usage: bench_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case, write_model  # noqa: E402

QUICK = ("--rounds", "3", "--warm-up", "0", "--peak-seconds", "0.05", "--batch", "1,3")


class Bench(Case):
    def test_every_entry_at_every_batch(self):
        self.run_vitrim("compress", "model.safetensors", *CALIB, "--remove-attention", "0,2", "--no-absorb", "-o", "cut.safetensors", "--quiet")
        result = self.json_of("bench", "cut.safetensors", "--against", "dense,libtorch:model.safetensors", "--threads", "1", *QUICK, "--report", "page.html")
        self.assertEqual(result["kind"], "bench")
        rows = result["rows"]
        self.assertEqual([(row["engine"], row["batch"]) for row in rows],
                         [("native", 1), ("libtorch", 1), ("native", 1), ("native", 3), ("libtorch", 3), ("native", 3)])
        macs = {name: self.json_of("inspect", name)["macs"] for name in ("model.safetensors", "cut.safetensors")}
        for i, row in enumerate(rows):
            self.assertEqual(row["rounds"], 3)
            self.assertGreater(row["latency"], 0)
            self.assertLessEqual(row["latency_p10"], row["latency"])
            self.assertLessEqual(row["latency"], row["latency_p90"])
            self.assertAlmostEqual(row["images_per_second"] * row["latency"], row["batch"], places=6)
            self.assertEqual(row["macs"], macs["cut.safetensors" if i % 3 == 2 else "model.safetensors"])
            self.assertAlmostEqual(row["predicted"], macs["model.safetensors"] / row["macs"])
            self.assertEqual(row["weight_bytes"] > 0, row["engine"] == "native")
        self.assertEqual([row["speedup"] for row in rows[::3]], [1, 1])
        self.assertGreater(result["tile_peak"], 0)
        self.assertGreater(result["library_peak"], 0)
        self.assertIn(b"Measured speed against multiply-adds", self.read("page.html"))
        # The page can also be made from the file.
        self.write("b.json", json.dumps(result).encode())
        self.run_vitrim("report", "b.json", "-o", "again.html")

    def test_words(self):
        for folder in ("02_compress/model", "small"):
            os.makedirs(self.path(folder))
            self.write(folder + "/model.safetensors", self.read("model.safetensors"))
        done = self.run_vitrim("bench", "model.safetensors", "--against", "02_compress/model/,small/", *QUICK)
        self.assertIn("matrix peak", done.stdout)
        for name in ("  model.safetensors", "  02_compress/model", "  small"):
            self.assertIn(name + ", native", done.stdout)

    def test_models_with_stages(self):
        self.write_staged("flatten_swin")
        self.run_vitrim("train", "--spec", "spec.json", "--data", "synthetic:train:16", "--recipe", "plain", "--epochs", "1", "--batch-size", "16", "-o", "staged.safetensors")
        rows = self.json_of("bench", "staged.safetensors", "--against", "libtorch:staged.safetensors", "--threads", "1", *QUICK)["rows"]
        self.assertEqual([row["engine"] for row in rows], ["libtorch", "native"] * 2)

    def test_refusals(self):
        self.write_staged("swin", qk_norm=True)
        self.run_vitrim("train", "--spec", "spec.json", "--data", "synthetic:train:16", "--recipe", "plain", "--epochs", "1", "--batch-size", "16", "-o", "normed.safetensors")
        self.refuse("bench", "normed.safetensors", *QUICK, says="--engine libtorch")
        self.refuse("eval", "normed.safetensors", "--data", "synthetic:test:4", "--engine", "native", says="--engine libtorch")
        self.refuse("bench", "model.safetensors", "--device", "cuda", *QUICK, says="--engine libtorch", expect=2)
        self.refuse("bench", "model.safetensors", "--against", "nothing.safetensors", *QUICK, says="nothing.safetensors")
        self.refuse("bench", "model.safetensors", "--against", "deit_tiny_patch16_224", *QUICK, says="another size")

    def test_what_is_said_holds_for_all_entries(self):
        """Heads, gain and image size are applied to the models of --against; a set of weights is chosen only for MODEL."""
        write_model(self.path("bare.safetensors"), width=32, metadata={}, without=(1,))
        said = ("--num-heads", "2", "--stream-gain", "2", "--norm-eps", "1e-6", "--activation", "gelu")
        self.refuse("bench", "bare.safetensors", "--against", "libtorch:bare.safetensors", *QUICK, says="bare.safetensors")
        done = self.run_vitrim("bench", "bare.safetensors", "--against", "libtorch:bare.safetensors", *said, "--image-size", "64", "--threads", "1", "--json", "r.json", *QUICK)
        self.assertNotIn("num_heads", done.stderr)
        result = json.loads(self.read("r.json"))
        self.assertLess(result["output_difference"], 0.05, "the same model on two engines")
        write_model(self.path("base.safetensors"), image=64)
        self.run_vitrim("bench", "base.safetensors", "--against", "model.safetensors", "--image-size", "64", "--threads", "1", *QUICK)
        sets = self.path("sets.safetensors")
        write_model(sets)
        with open(sets, "rb") as file:
            size, = struct.unpack("<Q", file.read(8))
            header, body = json.loads(file.read(size)), file.read()
        twice = {"__metadata__": header.pop("__metadata__")}
        for prefix in ("encoder_a.", "encoder_b."):
            twice.update({prefix + name: dict(entry, data_offsets=[at + (len(body) if prefix == "encoder_b." else 0) for at in entry["data_offsets"]]) for name, entry in header.items()})
        text = json.dumps(twice).encode()
        with open(sets, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + body + b"\1" + body[1:])
        said = self.refuse("bench", "model.safetensors", "--against", "sets.safetensors", *QUICK, says=("--weights applies to MODEL only", "vitrim export sets.safetensors"))
        self.assertIn("encoder_a", said)
        self.run_vitrim("bench", "sets.safetensors", "--weights", "encoder_a", "--against", "model.safetensors", "--threads", "1", *QUICK)

    def test_native_evaluation_agrees(self):
        one = self.json_of("eval", "model.safetensors", "--data", "synthetic:test:100", "--precision", "f32")
        two = self.json_of("eval", "model.safetensors", "--data", "synthetic:test:100", "--precision", "f32", "--engine", "native")
        self.assertEqual(one["correct"], two["correct"])

    def test_forced_instruction_sets(self):
        def run(isa):
            environment = dict(os.environ, VITRIM_FORCE_ISA=isa)
            return subprocess.run([PROGRAM, "eval", "model.safetensors", "--data", "synthetic:test:20", "--engine", "native", "--precision", "f32", "--json", "-"],
                                  cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        plain = run("plain")
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertEqual(json.loads(plain.stdout)["correct"], self.json_of("eval", "model.safetensors", "--data", "synthetic:test:20", "--precision", "f32")["correct"])
        wrong = run("avx9")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("no instruction set 'avx9'", wrong.stderr)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("bench_program")
