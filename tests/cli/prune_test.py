#!/usr/bin/env python3
"""Channel pruning from outside: targets that are met as inspect counts, checkpoints that reload, every family, refusals.

usage: prune_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import PROGRAM, Case  # noqa: E402

FITTED = ("--few-shot", "--data", "synthetic:calib:48", "--block-epochs", "0")
FEW = (*FITTED, "--set", "channels.score_images=8", "--set", "indicators.epochs=1")


def named(words):
    """The name in a refusal with these words: the flag, or the setting."""
    return words[1].split("=")[0] if words[0] == "--set" else words[0]


class Prune(Case):
    def macs(self, model):
        """(of the whole model, of its attention layers)"""
        seen = self.json_of("inspect", model)
        return seen["macs"], sum(block["attention_macs"] for block in seen["blocks"])

    def test_targets_are_met_as_inspect_counts(self):
        whole, attention = self.macs("model.safetensors")
        self.run_vitrim("prune", "model.safetensors", *FEW, "--target-macs", "85%", "--set", "channels.round=2", "-o", "a.safetensors")
        self.assertAlmostEqual(self.macs("a.safetensors")[0] / whole, 0.85, delta=0.01)
        self.run_vitrim("prune", "model.safetensors", *FEW, "--attention-macs", "60%", "--set", "channels.round=2", "-o", "b.safetensors")
        self.assertAlmostEqual(self.macs("b.safetensors")[1] / attention, 0.6, delta=0.02)
        self.run_vitrim("prune", "model.safetensors", *FEW, "--target-macs", str(round(0.5 * whole)), "--scope", "attention+mlp", "-o", "c.safetensors")
        self.assertAlmostEqual(self.macs("c.safetensors")[0] / whole, 0.5, delta=0.03)
        widths = [block["mlp_dim"] for block in self.json_of("inspect", "c.safetensors")["blocks"]]
        self.assertTrue(all(width % 8 == 0 for width in widths) and min(widths) < 256, widths)

        self.run_vitrim("prune", "model.safetensors", *FEW, "--target-macs", "85%", "--scope", "mlp", "-o", "d.safetensors")
        self.assertAlmostEqual(self.macs("d.safetensors")[0] / whole, 0.85, delta=0.02)
        self.assertEqual(self.macs("d.safetensors")[1], attention)

    def test_a_pruned_checkpoint_is_a_checkpoint(self):
        done = self.json_of("prune", "model.safetensors", *FEW, "--attention-macs", "70%", "--eval", "synthetic:test:40", "-o", "once.safetensors",
                            "--report", "page.html")
        self.assertEqual(done["kind"], "compress")
        self.assertEqual(done["removed"], [])
        self.assertIn("apma", done["reason"])
        self.assertEqual(done["dense"]["images"], 40)
        self.assertIn(b"APMA is reconstructed here", self.read("page.html"))
        again = self.json_of("eval", "once.safetensors", "--data", "synthetic:test:40")
        self.assertEqual(again["top1"], done["compressed"]["top1"])
        # Pruned again, diluted, and a layer removed.
        self.run_vitrim("prune", "once.safetensors", *FEW, "--attention-macs", "80%", "--set", "channels.round=4", "-o", "twice.safetensors")
        self.assertLess(self.macs("twice.safetensors")[1], self.macs("once.safetensors")[1])
        self.run_vitrim("dilute", "once.safetensors", "--data", "synthetic:train:32", "--remove-attention", "1", "--recipe", "plain", "--epochs", "2",
                        "--dilution-epochs", "1", "--batch-size", "16", "-o", "diluted.safetensors")
        self.assertEqual([b["attention"] for b in self.json_of("inspect", "diluted.safetensors")["blocks"]], ["softmax", "none", "softmax", "softmax"])

    def test_with_removal(self):
        whole, attention = self.macs("model.safetensors")
        done = self.json_of("compress", "model.safetensors", "--calib", "synthetic:calib:48", "--remove-attention", "1", "--attention-macs", "70%", "--set", "channels.round=2",
                            "--epochs", "0", "--set", "indicators.epochs=1", "-o", "both.safetensors")
        self.assertEqual(done["removed"], [1])
        # Of what stays: three of four layers.
        self.assertAlmostEqual(self.macs("both.safetensors")[1] / (attention * 3 / 4), 0.7, delta=0.02)

    def test_same_seed_same_file(self):
        for name in ("a", "b"):
            self.run_vitrim("prune", "model.safetensors", *FEW, "--attention-macs", "70%", "-o", name + ".safetensors", "--threads", "1")
        self.assertEqual(self.read("a.safetensors"), self.read("b.safetensors"))

    def test_every_criterion_and_every_part(self):
        for criterion in ("magnitude", "taylor", "energy", "energy_centred", "difference", "absence", "random"):
            looks = () if criterion in ("magnitude", "random") else ("--set", "channels.score_images=8")
            done = self.json_of("prune", "model.safetensors", *FITTED, *looks, "--attention-macs", "60%", "--channels-by", criterion, "-o", "x.safetensors")
            self.assertGreater(done["held_out_kl"], 0, criterion)
            self.assertEqual("settings" in done["manifest"], bool(looks), "only what was changed is told")
            widths = {(b["qk_dim"], b["num_heads"]) for b in done["compressed_spec"]["blocks"]}
            self.assertLessEqual(len(widths), 2, "one share for all, up to rounding")
        for part in (("--similarity", "weights"), ("--similarity", "activations"), ("--without", "reweight"), ("--without", "initialisation")):
            looks = () if "initialisation" in part else ("--set", "channels.score_images=8")
            self.run_vitrim("prune", "model.safetensors", *FITTED, *looks, "--set", "indicators.epochs=1", "--attention-macs", "60%", *part, "-o", "x.safetensors")
        before = self.files()
        done = self.json_of("prune", "model.safetensors", *FEW, "--attention-macs", "60%", "--without", "proportions", "--eval", "synthetic:test:20")
        self.assertEqual(done["compressed"]["images"], 20)
        self.assertEqual(self.files(), before, "what is only masked is not written")

    def test_settings_come_from_a_recipe_and_from_set(self):
        """A file and --set have the same effect; unknown keys and values out of range are refused; the changed values are in the result."""
        self.write("few.toml", b"[channels]\nround = 2\nscore_images = 8\n[fit]\nflip = false\n[schedule]\nepochs = 10\n")
        prune = ("prune", "model.safetensors", *FITTED, "--attention-macs", "70%", "--channels-by", "energy", "--threads", "1")
        file = self.json_of(*prune, "--recipe", "few.toml", "-o", "file.safetensors")
        flags = self.json_of(*prune, "--set", "channels.round=2,channels.score_images=8", "--set", "fit.flip=false", "-o", "flags.safetensors")
        self.assertEqual(self.read("file.safetensors"), self.read("flags.safetensors"))
        for done in (file, flags):
            self.assertEqual(done["manifest"]["settings"], {"channels.round": "2", "channels.score_images": "8", "fit.flip": "false"})
        compress = ("compress", "model.safetensors", "--calib", "synthetic:calib:32", "--remove-attention", "1", "-o", "x.safetensors")
        self.refuse(*compress, "--set", "fit.ridg=1", says='did you mean "fit.ridge"', expect=2)
        self.refuse(*compress, "--set", "fit.held_out=0.9", says="fit.held_out must be a number of at least 0.01 and at most 0.5", expect=2)
        self.refuse(*compress, "--recipe", "few.toml", says="unknown section [schedule]")
        self.refuse("train", "--init", "model.safetensors", "--data", "synthetic:train:16", "--set", "fit.ridge=1", "-o", "x.safetensors", says="unknown key", expect=2)

    def test_pruned_and_fine_tuned(self):
        done = self.json_of("prune", "model.safetensors", "--attention-macs", "70%", "--data", "synthetic:train:64", "--eval", "synthetic:test:40", "--images", "32",
                            "--set", "indicators.epochs=1", "--set", "channels.score_images=8", "--recipe", "plain", "--epochs", "1", "--batch-size", "16", "--precision", "f32", "-o", "tuned.safetensors")
        self.assertEqual(done["kind"], "train")
        self.assertEqual(done["task"], "prune")
        self.assertEqual(done["dense"]["images"], 40)
        self.assertIn("difference", done["paired"])
        self.assertLess(self.macs("tuned.safetensors")[1], self.macs("model.safetensors")[1])
        self.assertEqual(self.json_of("eval", "tuned.safetensors", "--data", "synthetic:test:40", "--precision", "f32")["top1"], done["evaluation"]["top1"])

    def test_resumed_it_keeps_what_it_chose(self):
        command = (PROGRAM, "prune", "model.safetensors", "--attention-macs", "70%", "--data", "synthetic:train:64", "--images", "32", "--set", "indicators.epochs=1",
                   "--set", "channels.score_images=8", "--recipe", "plain", "--epochs", "3", "--batch-size", "16", "--state-minutes", "0.0001", "--resume")
        whole = subprocess.run([*command, "-o", "whole.safetensors"], cwd=self.folder, capture_output=True, text=True, check=True)
        self.assertIn("indicators", whole.stderr)
        run = subprocess.Popen([*command, "-o", "parts.safetensors"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not os.path.exists(self.path("parts.safetensors.state")) and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        run.kill()
        run.wait()
        self.assertNotIn("parts.safetensors", self.files(), "the run ended before it could be killed")
        forgotten = subprocess.run([*command[:-1], "-o", "parts.safetensors"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(forgotten.returncode, 1)
        self.assertIn("pass --resume", forgotten.stderr)
        self.assertNotIn("indicators", forgotten.stderr, "told before the work, not after it")
        again = subprocess.run([*command, "-o", "parts.safetensors"], cwd=self.folder, capture_output=True, text=True, check=True)
        self.assertNotIn("indicators", again.stderr)
        self.assertEqual(self.read("parts.safetensors"), self.read("whole.safetensors"))

    def test_every_command_on_every_family(self):
        for family in ("swin", "flatten_swin", "pvt", "pvt_v2", "cswin"):
            with self.subTest(family):
                self.write_staged(family)
                self.run_vitrim("train", "--spec", "spec.json", "--data", "synthetic:train:32", "--recipe", "plain", "--epochs", "1", "--batch-size", "16",
                                "-o", "staged.safetensors")
                whole, attention = self.macs("staged.safetensors")
                scores = self.json_of("analyze", "staged.safetensors", "--calib", "synthetic:calib:32", "--remove", "2", "--both-criteria", "-o", "scores.json")
                self.assertEqual(len(scores["entropy"]["attention"]), 4)
                self.assertEqual(len(scores["chosen"]), 2)
                done = self.json_of("compress", "staged.safetensors", "--calib", "synthetic:calib:32", "--remove-attention", "1,2", "--epochs", "1", "--eval",
                                    "synthetic:test:20", "-o", "small.safetensors", "--report", "page.html", "--precision", "f32")
                self.assertGreater(done["held_out_kl"], 0)
                self.assertEqual(self.json_of("eval", "small.safetensors", "--data", "synthetic:test:20", "--precision", "f32")["top1"], done["compressed"]["top1"])
                self.assertLess(self.macs("small.safetensors")[0], whole)
                self.run_vitrim("dilute", "staged.safetensors", "--data", "synthetic:train:32", "--remove-attention", "0,3", "--recipe", "plain", "--epochs", "2",
                                "--dilution-epochs", "1", "--batch-size", "16", "-o", "diluted.safetensors")
                self.assertEqual([b["attention"] == "none" for b in self.json_of("inspect", "diluted.safetensors")["blocks"]], [True, False, False, True])
                self.run_vitrim("prune", "staged.safetensors", *FEW, "--attention-macs", "75%", "--set", "channels.round=2", "-o", "pruned.safetensors")
                self.assertAlmostEqual(self.macs("pruned.safetensors")[1] / attention, 0.75, delta=0.04)
                engines = [self.json_of("eval", "pruned.safetensors", "--data", "synthetic:test:20", "--precision", "f32", "--engine", engine)["correct"]
                           for engine in ("libtorch", "native")]
                self.assertEqual(engines[0], engines[1])

    def test_refusals(self):
        model = ("prune", "model.safetensors", "--few-shot", "--data", "synthetic:calib:32")
        self.refuse(*model, "--target-macs", "130%", "-o", "x.safetensors", says="more than the model has")
        self.refuse(*model, "--attention-macs", "1%", "-o", "x.safetensors", says=("can't be reached", "channels.round"))
        self.refuse(*model, "--target-macs", "soon", "-o", "x.safetensors", says="not a number of MACs")
        self.refuse(*model, "-o", "x.safetensors", says="--target-macs", expect=2)
        self.refuse(*model, "--target-macs", "80%", says="--output", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--unequal-heads", "-o", "x.safetensors", says="unequal", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--without", "reweighting", "-o", "x.safetensors", says="did you mean 'reweight'", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--channels-by", "magnitud", "-o", "x.safetensors", says="did you mean 'magnitude'")
        self.refuse(*model, "--attention-macs", "80%", "--scope", "attention+mlp", "-o", "x.safetensors", says="--target-macs", expect=2)
        self.refuse(*model, "--attention-macs", "80%", "--scope", "mlp", "-o", "x.safetensors", says="--scope mlp", expect=2)
        for flag in (("--without", "reweight"), ("--similarity", "weights"), ("--begin-with", "absence"), ("--set", "indicators.temperature=1")):
            self.refuse(*model, "--target-macs", "80%", "--channels-by", "energy", *flag, "-o", "x.safetensors", says=(named(flag), "belongs to apma"), expect=2)
        self.refuse("compress", "model.safetensors", "--calib", "synthetic:calib:32", "--remove", "1", "--channels-by", "energy", "-o", "x.safetensors",
                    says="--channels-by belongs to pruning channels", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--channels-by", "random", "--set", "channels.score_images=9", "-o", "x.safetensors", says="channels.score_images", expect=2)
        for flag in (("--set", "fit.ridge=1"), ("--block-epochs", "2"), ("--set", "fit.flip=false")):
            self.refuse(*model, "--target-macs", "80%", "--no-absorb", *flag, "-o", "x.safetensors", says=(named(flag), "--no-absorb"), expect=2)
        self.refuse("compress", "model.safetensors", "--calib", "synthetic:calib:32", "--remove", "1", "--no-absorb", "--epochs", "2", "-o", "x.safetensors", says="--epochs", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--set", "mixing.mixup=0.5", "-o", "x.safetensors", says="mixing.mixup belongs to training", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--eval-resize", "none", "-o", "x.safetensors", says="--eval", expect=2)
        self.refuse("prune", "model.safetensors", "--data", "synthetic:train:32", "--target-macs", "80%", "--recipe", "plain", "--dilution-epochs", "1", "-o", "x.safetensors",
                    says="prune does not dilute", expect=2)
        self.refuse(*model, "--target-macs", "80%", "--teacher", "t.safetensors", "-o", "x.safetensors", says="--teacher belongs to training", expect=2)
        self.refuse("compress", "model.safetensors", "--calib", "synthetic:calib:32", "--remove", "1", "--attention-macs", "80%", "--without", "proportions", "-o",
                    "x.safetensors", says="compared", expect=2)
        os.mkdir(self.path("flat"))
        self.refuse(*model, "--target-macs", "80%", "--eval", "flat", "-o", "x.safetensors", says="flat")
        os.rmdir(self.path("flat"))
        self.refuse("prune", "model.safetensors", "--few-shot", "--data", "nowhere", "--target-macs", "80%", "-o", "x.safetensors", says="nowhere")


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("prune_program")
