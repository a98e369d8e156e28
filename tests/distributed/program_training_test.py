#!/usr/bin/env python3
"""`vitrim train` in two processes: ranks that were started differently, and signals to one of them.

usage: program_training_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import distributed_test as ranks  # noqa: E402
from distributed_test import cases  # noqa: E402

PROGRAM = os.environ.get("VITRIM_BINARY", "build/release/vitrim")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODEL = os.path.join(ROOT, "models", "synthetic_vit.safetensors")


class Training(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = os.path.join(folder.name, "out.safetensors")
        self.words = [PROGRAM, "train", "--init", MODEL, "--data", "synthetic:train:320", "--recipe", "plain", "--batch-size", "16", "--precision", "f32", "-o", self.out]

    def start(self, *more_of_each):
        """One rank for each list of further arguments."""
        port = ranks.free_port()
        return [ranks.start_program([*self.words, *more], len(more_of_each), ranks=[rank], port=port)[0] for rank, more in enumerate(more_of_each)]

    def test_ranks_of_another_recipe(self):
        cases_of = (("--learning-rate", "1e-3", "1e-4"), ("--epochs", "2", "3"), ("--set", "augment.horizontal_flip=0.5", "augment.horizontal_flip=0.1"),
                    ("--state-minutes", "1", "2"), ("--eval", "synthetic:test:20", "synthetic:test:30"), ("--eval-every", "1", "2"))
        for flag, one, two in cases_of:
            with self.subTest(flag):
                for status, out, err in ranks.finish(self.start(["--epochs", "2", flag, one] if flag != "--epochs" else [flag, one],
                                                                ["--epochs", "2", flag, two] if flag != "--epochs" else [flag, two])):
                    self.assertEqual((status, out), (1, ""), err)
                    self.assertIn("start all ranks with the same command", err)
                    self.assertIn(f'rank 0 was started with "{flag} {one}", rank 1 with "{flag} {two}"', err)
                self.assertFalse(os.path.exists(self.out))

    def wait_for_steps(self, seconds=60):
        log, end = self.out + ".jsonl", time.monotonic() + seconds
        while time.monotonic() < end:
            if os.path.exists(log):
                with open(log, encoding="utf-8") as file:
                    if '"step"' in file.read():
                        return
            time.sleep(0.1)
        self.fail("no step was logged")

    def test_a_signal_to_one_rank_saves_and_ends_both(self):
        for number, rank in ((signal.SIGTERM, 1), (signal.SIGINT, 0), (signal.SIGTERM, 1), (signal.SIGTERM, 0)):
            with self.subTest(number=number, rank=rank):
                processes = self.start(*[["--epochs", "1000", "--log-every", "1", "--resume", "--eval", "synthetic:test:40"]] * 2)
                self.wait_for_steps()
                time.sleep(0.37 * (1 + rank))
                processes[rank].send_signal(number)
                begun = time.monotonic()
                for i, (status, out, err) in enumerate(ranks.finish(processes, 30)):
                    self.assertEqual((status, out), (130, ""), f"rank {i}: {err}")
                    self.assertEqual(err.strip().splitlines()[-1], "vitrim: stopped", err)
                self.assertLess(time.monotonic() - begun, 10)
                self.assertTrue(os.path.exists(self.out + ".state"))
                os.remove(self.out + ".jsonl")
        # The saved run continues.
        probe = subprocess.run([*self.words, "--epochs", "1000", "--log-every", "1"], env=ranks.environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(probe.returncode, 1)
        self.assertRegex(probe.stderr, re.compile("this is the state of an unfinished run"))


if __name__ == "__main__":
    cases.main("program_training")
