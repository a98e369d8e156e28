#!/usr/bin/env python3
"""`vitrim merge` from outside."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case  # noqa: E402


def spec_of(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return json.loads(json.loads(file.read(size))["__metadata__"]["vitrim.spec"])


def pairs_of(spec):
    return [block.get("merge", 0) for block in spec["blocks"]]


class Merge(Case):
    def merge(self, *arguments, output="m.safetensors"):
        timed = () if "--pays-at" in arguments or "--report" in arguments else ("--pays-at", "0")
        return self.json_of("merge", "model.safetensors", *arguments, *timed, "-o", output)

    def test_r_goes_into_the_spec_and_everything_follows_it(self):
        result = self.merge("--r", "3", "--eval", "synthetic:test:40", *CALIB, "--images", "8", "--report", "page.html")
        self.assertEqual(pairs_of(spec_of(self.path("m.safetensors"))), [3, 3, 3, 3])  # 17, 14, 11, 8 tokens: 3 of the last 7 can still go
        self.assertLess(result["compressed"]["macs"], result["dense"]["macs"])
        self.assertEqual(result["speed"]["batch"], 32)
        self.assertGreater(result["speed"]["speedup"], 0)
        self.assertEqual(result["compressed"]["params"], result["dense"]["params"])
        self.assertGreater(result["held_out_kl"], 0)
        self.assertIn("paired", result)
        self.assertEqual(len(result["pictures"]), 6)
        self.assertEqual(len(result["pictures"][0]["place"]), 16)
        self.assertIn(b"Merged tokens", self.read("page.html"))
        # Evaluated alone it is the same model.
        alone = self.json_of("eval", "m.safetensors", "--data", "synthetic:test:40", "--precision", "f32")
        again = self.merge("--r", "3", "--eval", "synthetic:test:40", "--precision", "f32")
        self.assertEqual(alone["top1"], again["compressed"]["top1"])
        self.assertEqual(alone["macs"], result["compressed"]["macs"])
        self.assertEqual(self.json_of("inspect", "m.safetensors")["macs"], alone["macs"])

    def test_schedules(self):
        self.merge("--schedule", "1:2")
        self.assertEqual(pairs_of(spec_of(self.path("m.safetensors"))), [0, 2, 2, 2])
        self.merge("--schedule", "4,0,1,0", output="n.safetensors")
        self.assertEqual(pairs_of(spec_of(self.path("n.safetensors"))), [4, 0, 1, 0])
        # A schedule is replaced, and 0 takes it away.
        self.run_vitrim("merge", "n.safetensors", "--r", "0", "-o", "plain.safetensors", "--quiet")
        self.assertEqual(pairs_of(spec_of(self.path("plain.safetensors"))), [0, 0, 0, 0])

    def test_clipping_is_said(self):
        done = self.run_vitrim("merge", "model.safetensors", "--r", "12", "-o", "m.safetensors")
        self.assertIn("instead of 12", done.stderr)
        # The timing takes most of the run, so it is announced.
        self.assertRegex(done.stderr, r"(?s)timing the merged against the unmerged model at batch 32 on \d+ threads? \(--pays-at 0 omits this\).* times as fast")
        self.assertEqual(pairs_of(spec_of(self.path("m.safetensors"))), [8, 4, 2, 1])

    def test_targets_constant_and_chosen(self):
        result = self.merge("--target-macs", "75%")
        self.assertLessEqual(result["compressed"]["macs"], 0.75 * result["dense"]["macs"])
        chosen = self.merge("--target-macs", "75%", "--auto", *CALIB, "--images", "8", "--step", "2", output="a.safetensors")
        self.assertLessEqual(chosen["compressed"]["macs"], 0.75 * chosen["dense"]["macs"])

    def test_behind_removal_only_attention_counts(self):
        self.run_vitrim("compress", "model.safetensors", *CALIB, "--remove-attention", "0,2", "--no-absorb", "-o", "c.safetensors", "--quiet")
        self.run_vitrim("merge", "c.safetensors", "--schedule", "1:3", "-o", "m.safetensors", "--quiet")
        self.assertEqual(pairs_of(spec_of(self.path("m.safetensors"))), [0, 0, 0, 3])

    def test_layers_are_still_chosen_removed_pruned_and_diluted(self):
        self.run_vitrim("merge", "model.safetensors", "--r", "2", "-o", "m.safetensors", "--quiet")
        self.run_vitrim("compress", "m.safetensors", *CALIB, "--remove-attention", "1", "--epochs", "1", "-o", "c.safetensors", "--quiet")
        self.assertEqual(pairs_of(spec_of(self.path("c.safetensors"))), [2, 0, 2, 2])
        self.run_vitrim("prune", "m.safetensors", "--few-shot", "--data", "synthetic:calib:16", "--attention-macs", "80%", "--block-epochs", "0",
                        "--set", "indicators.epochs=1", "-o", "p.safetensors", "--quiet")
        self.assertEqual(pairs_of(spec_of(self.path("p.safetensors"))), [2, 2, 2, 2])
        self.run_vitrim("dilute", "m.safetensors", "--data", "synthetic:train:32", "--remove-attention", "1", "--epochs", "2", "--dilution-epochs", "1",
                        "--recipe", "plain", "--batch-size", "16", "-o", "d.safetensors", "--quiet")
        self.assertEqual(pairs_of(spec_of(self.path("d.safetensors"))), [2, 0, 2, 2])

    def test_refusals(self):
        out = ("-o", "m.safetensors")
        self.refuse("merge", "model.safetensors", *out, says="state how much", expect=2)
        self.refuse("merge", "model.safetensors", "--r", "3", "--target-macs", "70%", *out, says="one of these ways", expect=2)
        self.refuse("merge", "model.safetensors", "--target-macs", "70%", "--auto", *out, says="--calib", expect=2)
        self.refuse("merge", "model.safetensors", "--r", "3", "--auto", *CALIB, *out, says="--target-macs", expect=2)
        self.refuse("merge", "model.safetensors", "--target-macs", "1%", *out, says="can't bring the model below")
        self.refuse("merge", "model.safetensors", "--target-macs", "170%", *out, says="more than the model has")
        self.refuse("merge", "model.safetensors", "--schedule", "1,2", *out, says="4 blocks can merge tokens")
        self.refuse("merge", "model.safetensors", "--schedule", "9:2", *out, says="can't start at 9")
        self.refuse("merge", "swin_tiny_patch4_window7_224", "--r", "2", *out, says="can't merge tokens")


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("merge_program")
