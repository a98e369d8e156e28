#!/usr/bin/env python3
"""Segmentation from outside: a head on a backbone, training, evaluation, and every way of making such a model smaller.

usage: segmentation_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import PROGRAM, Case, write_rows  # noqa: E402

PYTHON = os.environ.get("VITRIM_PYTHON", sys.executable)
HERE = os.path.dirname(os.path.abspath(__file__))
TRAIN = ("--data", "synthetic-masks:train:16", "--recipe", "plain", "--epochs", "1", "--warm-up-epochs", "0", "--batch-size", "8")
EVAL = ("--eval", "synthetic-masks:test:12")
KINDS = {"linear": (), "upernet": ("--head-width", "16")}


class Segmentation(Case):
    def train(self, head="upernet", *more, output="seg.safetensors"):
        return self.json_of("train", "--task", "segmentation", "--init", "model.safetensors", "--head", head, *KINDS[head], *TRAIN, *more, "-o", output)

    def test_train_and_eval(self):
        for head in KINDS:
            done = self.train(head, *EVAL, output=head + ".safetensors")
            figures = done["evaluation"]["segmentation"]
            self.assertEqual(len(figures["pixels"]), 12)
            self.assertEqual(len(figures["class_iou"]), 13)
            self.assertEqual(figures["class_names"][0], "ground")
            self.assertEqual(done["epochs"][-1]["miou"], figures["miou"])
            self.assertIsNone(done["epochs"][-1]["top1"])
            again = self.json_of("eval", head + ".safetensors", "--data", "synthetic-masks:test:12", "--task", "segmentation")
            self.assertEqual(again["segmentation"]["miou"], figures["miou"])
            self.assertEqual(again["segmentation"]["pixels"], figures["pixels"])
            self.assertEqual(again["segmentation"]["protocol"], "whole images")
            # What the JSON says follows from the pixels that it holds.
            totals = [[0, 0, 0] for _ in range(13)]
            for image in figures["pixels"]:
                for one in image.split(","):
                    c, *counts = map(int, one.split())
                    totals[c] = [a + b for a, b in zip(totals[c], counts)]
            iou = [both / (labelled + said - both) for labelled, said, both in totals if labelled + said > 0]
            self.assertAlmostEqual(sum(iou) / len(iou), figures["miou"], places=12)
            self.assertAlmostEqual(sum(t[2] for t in totals) / sum(t[0] for t in totals), figures["pixel_accuracy"], places=12)

    def test_windows(self):
        self.train()
        whole = self.json_of("eval", "seg.safetensors", "--data", "synthetic-masks:test:6", "--resize", "none")
        same = self.json_of("eval", "seg.safetensors", "--data", "synthetic-masks:test:6", "--resize", "none", "--window", "64")
        other = self.json_of("eval", "seg.safetensors", "--data", "synthetic-masks:test:6", "--resize", "none", "--window", "32", "--stride", "16")
        self.assertEqual(same["segmentation"]["pixels"], whole["segmentation"]["pixels"])
        self.assertNotEqual(other["segmentation"]["pixels"], whole["segmentation"]["pixels"])
        self.assertEqual(other["segmentation"]["protocol"], "windows of 32 at stride 16")
        self.refuse("eval", "seg.safetensors", "--data", "synthetic-masks:test:6", "--window", "33", says="33")
        self.refuse("eval", "seg.safetensors", "--data", "synthetic-masks:test:6", "--stride", "8", says="--window", expect=2)

    def test_a_killed_and_resumed_run_ends_with_the_same_bytes(self):
        command = ("train", "--init", "model.safetensors", "--head", "upernet", *KINDS["upernet"], *TRAIN, "--epochs", "6", "--set", "segmentation.scale_min=0.5",
                   "--set", "segmentation.scale_max=2", "--set", "augment.horizontal_flip=0.5", "--set", "augment.color_jitter=0.4", "--set", "regularization.drop_path=0.1", "--set", "ema.decay=0.9")
        self.run_vitrim(*command, "-o", "whole.safetensors")
        parts = (*command, "-o", "parts.safetensors", "--state-minutes", "0.0001", "--resume")
        run = subprocess.Popen([PROGRAM, *parts], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not os.path.exists(self.path("parts.safetensors.state")) and time.monotonic() < deadline:
            time.sleep(0.01)
        run.kill()
        run.wait()
        self.assertNotIn("parts.safetensors", self.files(), "the run ended before it could be killed")
        self.run_vitrim(*parts)
        self.assertEqual(self.read("parts.safetensors"), self.read("whole.safetensors"))

    def test_every_way_of_making_it_smaller(self):
        self.train()
        calib = ("--calib", "synthetic-masks:calib:24")
        done = self.json_of("compress", "seg.safetensors", *calib, "--remove", "1", *EVAL, "--epochs", "0", "-o", "less.safetensors", "--report", "page.html")
        self.assertEqual(len(done["removed"]), 1)
        self.assertGreater(done["held_out_kl"], 0)
        self.assertIsNone(done["paired"]["mcnemar_p"])
        self.assertAlmostEqual(done["paired"]["difference"], done["compressed"]["segmentation"]["miou"] - done["dense"]["segmentation"]["miou"])
        self.assertTrue(all(t > 0 for t in done["scores"]["kl_drop"].values()))
        page = self.read("page.html").decode()
        self.assertIn("mIoU", page)
        self.assertEqual(page.count("data:image/jpeg"), 6)
        self.assertEqual(page.count("<figcaption>labelled"), 6)
        self.assertNotIn("Top-1 accuracy</", page)
        again = self.json_of("eval", "less.safetensors", "--data", "synthetic-masks:test:12")
        self.assertEqual(again["segmentation"]["pixels"], done["compressed"]["segmentation"]["pixels"])
        self.assertEqual([b["attention"] for b in self.json_of("inspect", "less.safetensors")["blocks"]].count("none"), 1)

        self.run_vitrim("compress", "seg.safetensors", *calib, "--remove", "1", "--criterion", "te", "--no-absorb", "-o", "te.safetensors")
        diluted = self.json_of("dilute", "seg.safetensors", *TRAIN, *EVAL, "--remove-attention", "0,2", "--epochs", "2", "--dilution-epochs", "1", "-o", "diluted.safetensors")
        self.assertEqual(diluted["removed"], [0, 2])
        self.assertIn("segmentation", diluted["dense"])
        few = self.json_of("prune", "seg.safetensors", "--few-shot", "--data", "synthetic-masks:calib:24", "--attention-macs", "70%", "--set", "indicators.epochs=1", "--set", "channels.score_images=8",
                           "--block-epochs", "0", *EVAL, "-o", "few.safetensors")
        self.assertGreater(few["compressed"]["segmentation"]["miou"], 0)
        taylor = ("--channels-by", "taylor", "--set", "channels.score_images=8")
        pruned = self.json_of("prune", "seg.safetensors", *TRAIN, *EVAL, "--attention-macs", "70%", *taylor, "--images", "16", "-o", "pruned.safetensors")
        self.assertIn("mIoU", self.run_vitrim("eval", "pruned.safetensors", "--data", "synthetic-masks:test:12").stdout)
        self.assertAlmostEqual(pruned["paired"]["difference"], pruned["evaluation"]["segmentation"]["miou"] - pruned["dense"]["segmentation"]["miou"])

    def test_a_teacher(self):
        self.train()
        self.run_vitrim("train", "--init", "seg.safetensors", *TRAIN, "--teacher", "seg.safetensors", "-o", "taught.safetensors")
        self.refuse("train", "--init", "seg.safetensors", *TRAIN, "--teacher", "model.safetensors", "-o", "x.safetensors", says="for classification")

    def test_another_implementation_says_the_same(self):
        if subprocess.run([PYTHON, "-c", "import torch, numpy, PIL"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest(f"SKIPPED: {PYTHON} imports no torch, numpy and PIL (set VITRIM_PYTHON)")
        for part in ("images", "annotations"):
            os.makedirs(self.path("set", part))
        draw = random.Random(3)
        for i, (height, width) in enumerate(((32, 32), (44, 60), (64, 40))):
            # Squares of eleven pixels, the mask's values following the colours, a part of it 0: not labelled.
            kinds = [[draw.randrange(14) for _ in range(6)] for _ in range(6)]
            kind = lambda x, y: kinds[y // 11][x // 11]
            write_rows(self.path("set", "images", f"{i}.png"), [[(17 * kind(x, y) + c * draw.randrange(40)) % 256 for x in range(width) for c in range(3)] for y in range(height)], 3)
            write_rows(self.path("set", "annotations", f"{i}.png"), [[kind(x, y) for x in range(width)] for y in range(height)], 1)
        self.write("names", b"".join(b"class %d\n" % i for i in range(13)))
        folder = ("--data", "set", "--classes", "names")
        self.run_vitrim("train", "--init", "model.safetensors", "--head", "upernet", "--head-width", "24", *folder, "--recipe", "plain", "--epochs", "12", "--batch-size", "3",
                        "--warm-up-epochs", "2", "--precision", "f32", "-o", "seg.safetensors")
        ours = self.json_of("eval", "seg.safetensors", *folder, "--resize", "none")["segmentation"]["pixels"]
        done = subprocess.run([PYTHON, os.path.join(HERE, "pytorch_segmentation.py"), "seg.safetensors", "set"], cwd=self.folder, stdout=subprocess.PIPE, text=True, check=True)
        theirs = json.loads(done.stdout)
        self.assertEqual(len(ours), 3)
        for one, other in zip(ours, theirs):
            a, b = ({c[0]: c[1:] for c in (tuple(map(int, part.split())) for part in image.split(","))} for image in (one, other))
            self.assertGreater(len(a), 4, "the model tells classes apart")
            # float32 sums in another order may turn a tie round, at a few pixels of thousands.
            apart = sum(abs(x - y) for c in a.keys() | b.keys() for x, y in zip(a.get(c, (0, 0, 0)), b.get(c, (0, 0, 0))))
            self.assertLessEqual(apart, 8, (one, other))

    def test_what_does_not_fit_is_refused(self):
        head = ("train", "--init", "model.safetensors", "--head", "linear")
        self.refuse(*head, "--data", "synthetic:train:16", "--recipe", "plain", "-o", "x.safetensors", says="no masks")
        self.refuse(*head, "--data", "synthetic-masks:train:16", "--recipe", "deit", "-o", "x.safetensors", "--epochs", "6", "--batch-size", "8", "--learning-rate", "1e-3", says="--recipe ade20k")
        self.refuse("train", "--init", "model.safetensors", "--task", "segmentation", *TRAIN, "-o", "x.safetensors", says="--head", expect=2)
        self.refuse("train", "--init", "model.safetensors", *TRAIN, "-o", "x.safetensors", says="masks instead of labels")
        self.refuse(*head, "--new-head", *TRAIN, "-o", "x.safetensors", says="one of the two", expect=2)
        self.refuse("eval", "model.safetensors", "--task", "segmentation", "--data", "synthetic-masks:test:6", says="--head", expect=2)
        self.refuse("eval", "model.safetensors", "--window", "32", "--data", "synthetic:test:6", says="--window", expect=2)
        self.train("linear")
        self.refuse("eval", "seg.safetensors", "--data", "synthetic:test:6", says="no masks")
        self.refuse("eval", "seg.safetensors", "--engine", "native", "--data", "synthetic-masks:test:6", says="--engine libtorch")
        self.refuse("merge", "seg.safetensors", "--r", "2", "-o", "x.safetensors", says="can't merge")
        self.refuse("dilute", "seg.safetensors", "--task", "classification", *TRAIN, "--remove", "1", "-o", "x.safetensors", says="for segmentation", expect=2)

    def test_damaged_pairs_are_named(self):
        self.train("linear")
        for part in ("images", "annotations"):
            os.makedirs(self.path("set", part))
        self.write("set/images/a.png", b"no image")
        self.refuse("eval", "seg.safetensors", "--data", "set", says="a.png")
        self.write("set/annotations/a.png", b"no mask")
        self.write("names", b"".join(b"class %d\n" % i for i in range(13)))
        self.refuse("eval", "seg.safetensors", "--data", "set", "--classes", "names", says=("images/a.png", "1 images are corrupt"))


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("segmentation_program")
