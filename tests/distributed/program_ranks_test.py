#!/usr/bin/env python3
"""`vitrim eval`, `analyze`, `compress`, `prune` and `sweep` in two processes give the same as in one.

usage: program_ranks_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import math
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import distributed_test as ranks  # noqa: E402
from distributed_test import cases  # noqa: E402

PROGRAM = os.environ.get("VITRIM_BINARY", "build/release/vitrim")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL = os.path.join(ROOT, "models", "synthetic_vit.safetensors")
# Sums over images are float64, and the same terms in another order: n of them err by n * 2^-53 of the sum of their magnitudes, far below this. But
# the terms come from float32 products whose order depends on how many images a batch has; with n terms a product errs by n * 2^-24 of
# the sum of its magnitudes, n up to 512 here: 3e-5, and three of those in a row.
TOLERANCE = 1e-4
# Absorption solves for weights from such sums, which multiplies errors by the condition of the ridge problem, and then takes gradient steps.
FIT_TOLERANCE = 1e-3
EXACT = {"layers", "chosen", "removed", "correct", "top1", "top5", "images", "params", "macs", "block_evaluations",
         "brute_force_block_evaluations", "floored_channels", "fit_images", "held_out_images"}
VARYING = {"manifest", "seconds", "output"}


def differences(one, two, tolerance, where=""):
    """A sentence for each difference of two result documents beyond rounding."""
    name = where.rsplit(".", 1)[-1]
    if name in VARYING:
        return []
    if isinstance(one, dict) and isinstance(two, dict):
        if one.keys() != two.keys():
            return [f"{where}: other keys"]
        return [text for key in one for text in differences(one[key], two[key], tolerance, f"{where}.{key}")]
    if isinstance(one, list) and isinstance(two, list) and name not in EXACT:
        if len(one) != len(two):
            return [f"{where}: {len(one)} against {len(two)}"]
        return [text for i, (a, b) in enumerate(zip(one, two)) for text in differences(a, b, tolerance, f"{where}.{i}")]
    if isinstance(one, float) and isinstance(two, float) and name not in EXACT:
        same = math.isclose(one, two, rel_tol=tolerance, abs_tol=tolerance) or (math.isnan(one) and math.isnan(two))
        return [] if same else [f"{where}: {one} against {two}"]
    return [] if one == two else [f"{where}: {one} against {two}"]


class ProgramRanks(unittest.TestCase):
    def both(self, *arguments):
        """The result documents of one process and of two."""
        with tempfile.TemporaryDirectory() as folder:
            documents = []
            for size in (1, 2):
                path = os.path.join(folder, f"{size}.json")
                words = [path + ".safetensors" if word == "OUT" else word for word in arguments]
                done = ranks.finish(ranks.start_program([PROGRAM, *words, "--precision", "f32", "--json", path], size), 120)
                for rank, (status, out, err) in enumerate(done):
                    self.assertEqual(status, 0, err)
                    if rank > 0:
                        self.assertEqual((out, err), ("", ""), "only rank 0 speaks")
                self.assertNotEqual(done[0][1], "")
                with open(path, encoding="utf-8") as file:
                    documents.append(json.load(file))
                self.assertEqual([name for name in os.listdir(folder) if "tmp" in name], [])
        return documents

    def same(self, tolerance, *arguments):
        one, two = self.both(*arguments)
        self.assertEqual(differences(one, two, tolerance), [])
        return one

    def test_eval(self):
        for count in ("1", "101"):  # of one image, one rank has none
            result = self.same(0, "eval", MODEL, "--data", f"synthetic:test:{count}")
            self.assertEqual(result["images"], int(count))

    def test_analyze_by_transfer_entropy(self):
        result = self.same(TOLERANCE, "analyze", MODEL, "--calib", "synthetic:calib:41", "--remove", "2", "--criterion", "te")
        self.assertEqual(len(result["chosen"]), 2)

    def test_analyze_with_correlations(self):
        self.same(TOLERANCE, "analyze", MODEL, "--calib", "synthetic:calib:61", "--set", "te.estimator=full")

    def test_analyze_by_absorption(self):
        result = self.same(FIT_TOLERANCE, "analyze", MODEL, "--calib", "synthetic:calib:64", "--remove", "2", "--criterion", "absorbed",
                           "--search", "exact")
        self.assertEqual(len(result["chosen"]), 2)

    def test_compress(self):
        result = self.same(FIT_TOLERANCE, "compress", MODEL, "--calib", "synthetic:calib:64", "--remove-attention", "0,1", "--epochs", "1",
                           "--eval", "synthetic:test:100", "-o", "OUT")
        self.assertEqual(result["removed"], [0, 1])

    def test_ranks_that_were_started_differently(self):
        """Every command that runs on several ranks: if one rank has another option, both refuse it before any work; output paths may differ."""
        calib = ("--calib", "synthetic:calib:32")
        train = ("--data", "synthetic:train:64", "--recipe", "plain", "--epochs", "1", "--batch-size", "16")
        for command, words, one, two in (
                ("eval", ("--data", "synthetic:test:40"), ("--batch-size", "8"), ("--batch-size", "9")),
                ("eval", ("--data", "synthetic:test:40"), ("--num-classes", "10"), ()),
                ("analyze", calib, ("--seed", "1"), ("--seed", "2")),
                ("compress", (*calib, "--remove", "1", "-o", "OUT"), ("--epochs", "1"), ("--epochs", "2")),
                ("sweep", (*calib, "-o", "OUT"), ("--remove", "1"), ("--remove", "1,2")),
                ("prune", (*train, "--attention-macs", "70%", "-o", "OUT"), ("--set", "channels.round=2"), ("--set", "channels.round=4")),
                ("dilute", (*train, "-o", "OUT"), ("--remove-attention", "0"), ("--remove-attention", "1"))):
            with self.subTest(command), tempfile.TemporaryDirectory() as folder:
                port = ranks.free_port()
                words = [os.path.join(folder, "out.safetensors") if word == "OUT" else word for word in words]
                started = [ranks.start_program([PROGRAM, command, MODEL, *words, *own], 2, ranks=[rank], port=port)[0] for rank, own in enumerate((one, two))]
                for status, out, err in ranks.finish(started, 60):
                    self.assertEqual((status, out), (1, ""), err)
                    self.assertRegex(err, f'rank 0 was started with "{" ".join(one)}", rank 1 with ".*"; start all ranks with the same command')
                self.assertEqual(os.listdir(folder), [])
        with tempfile.TemporaryDirectory() as folder:
            port = ranks.free_port()
            started = [ranks.start_program([PROGRAM, "eval", MODEL, "--data", "synthetic:test:40", "--json", os.path.join(folder, f"{rank}.json"), "--threads", str(1 + rank)], 2,
                                           ranks=[rank], port=port)[0] for rank in range(2)]
            self.assertEqual([status for status, _, _ in ranks.finish(started, 60)], [0, 0])
            self.assertEqual(os.listdir(folder), ["0.json"])

    def test_prune(self):
        documents = self.both("prune", MODEL, "--data", "synthetic:train:64", "--images", "32", "--attention-macs", "70%", "--set", "channels.round=2", "--set", "indicators.epochs=1", "--recipe", "plain",
                              "--epochs", "2", "--batch-size", "16", "--learning-rate", "1e-4", "--eval", "synthetic:test:60", "--resume", "-o", "OUT")
        one, two = documents
        for key in ("params", "macs"):  # the same widths; channels of another kind would train to another loss
            self.assertEqual(one["evaluation"][key], two["evaluation"][key])
            self.assertLess(one["evaluation"][key], one["dense"][key])
        self.assertEqual(one["reason"], two["reason"])
        self.assertEqual(len(one["epochs"]), 2)
        for a, b in zip(one["epochs"], two["epochs"]):
            self.assertTrue(math.isclose(a["loss"], b["loss"], rel_tol=FIT_TOLERANCE), (a, b))

    def test_sweep(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "swept")
            for remove in ("1", "1,2"):  # the second run finds the first one's model there
                words = ["sweep", MODEL, "--calib", "synthetic:calib:32", "--epochs", "0", "--te-images", "16", "--precision", "f32", "--remove", remove, "-o", out]
                for rank, (status, told, err) in enumerate(ranks.finish(ranks.start_program([PROGRAM, *words], 2), 120)):
                    self.assertEqual(status, 0, err)
                    self.assertEqual(told == "", rank > 0)
            self.assertEqual(sorted(os.listdir(out)), ["front.html", "removed_1.json", "removed_1.safetensors", "removed_2.json", "removed_2.safetensors", "settings.txt"])

    def test_segmentation(self):
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "seg.safetensors")
            words = ["train", "--init", MODEL, "--head", "upernet", "--head-width", "16", "--data", "synthetic-masks:train:64", "--recipe", "plain", "--epochs", "2", "--batch-size", "16",
                     "--learning-rate", "2e-3", "--precision", "f32", "-o", model]
            for status, _, err in ranks.finish(ranks.start_program([PROGRAM, *words], 2), 120):
                self.assertEqual(status, 0, err)
            result = self.same(0, "eval", model, "--data", "synthetic-masks:test:11", "--pictures", "0")
            self.assertEqual(len(result["segmentation"]["pixels"]), 11)
            self.assertGreater(result["segmentation"]["miou"], 0.05)
            self.same(FIT_TOLERANCE, "compress", model, "--calib", "synthetic-masks:calib:32", "--remove", "1", "--epochs", "0", "-o", "OUT")

    def test_the_comparison_sees_differences(self):
        self.assertEqual(differences({"a": [1.0]}, {"a": [1.0 + 1e-5]}, TOLERANCE), [])
        self.assertEqual(len(differences({"a": [1.0]}, {"a": [1.1]}, TOLERANCE)), 1)
        self.assertEqual(len(differences({"top1": 0.5}, {"top1": 0.5 + 1e-9}, TOLERANCE)), 1)
        self.assertEqual(len(differences({"layers": [1]}, {"layers": [2]}, TOLERANCE)), 1)

    def test_a_failure_of_one_kind_everywhere(self):
        for arguments, status in ((("eval", MODEL, "--data", "/no/such/folder"), 1), (("eval", MODEL, "--nonsense"), 2)):
            for done in ranks.finish(ranks.start_program([PROGRAM, *arguments], 2), 60):
                self.assertEqual(done[0], status)

    def test_rank_0_cannot_write(self):
        with tempfile.TemporaryDirectory() as folder:
            processes = ranks.start_program([PROGRAM, "eval", MODEL, "--data", "synthetic:test:50", "--json", os.path.join(folder, "no", "x")], 2)
            for status, _, _ in ranks.finish(processes, 60):
                self.assertEqual(status, 1)


if __name__ == "__main__":
    cases.main("program_ranks")
