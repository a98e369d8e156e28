#!/usr/bin/env python3
"""SIGTERM and SIGINT end every command within two seconds, wherever it waits, and leave no incomplete file.

usage: signals_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import os
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case  # noqa: E402

SECONDS = 2.0
TRAIN = ("--data", "synthetic:train:640", "--recipe", "plain", "--epochs", "1000", "--batch-size", "16")
# Each would run for minutes; the words on standard error after which it is stopped ("": at once), or the file that then lies there.
LONG = {
    "analyze": (("model.safetensors", "--calib", "synthetic:calib:20000", "--remove", "2"), b"decode"),
    "bench": (("model.safetensors", "--rounds", "100000", "--batch", "8"), b""),
    "bench in a call": (("deit_base_patch16_224", "--engine", "libtorch", "--batch", "64", "--rounds", "3"), b"random"),  # a call takes seconds
    "compress": (("model.safetensors", *CALIB, "--remove", "1", "--epochs", "1000", "-o", "out.safetensors"), b"removing"),
    "dilute": (("model.safetensors", *TRAIN, "--remove-attention", "0", "-o", "out.safetensors"), b"epoch"),
    "eval": (("model.safetensors", "--data", "synthetic:test:1000000"), b""),
    "merge": (("model.safetensors", "--target-macs", "60%", "--auto", "--step", "1", "--calib", "synthetic:calib:4000", "--images", "4000", "-o", "out.safetensors"), b"decode"),
    "plan": (("model.safetensors", "--budget", "macs<=70%", "--calib", "synthetic:calib:2000", "--images", "2000"), b"timing"),
    "prune": (("model.safetensors", "--data", "synthetic:train:640", "--attention-macs", "70%", "--set", "indicators.epochs=1000", *TRAIN[2:], "-o", "out.safetensors"), b"decode"),
    "quantize": (("model.safetensors", "--calib", "synthetic:calib:60000", "--images", "60000", "-o", "out.safetensors"), b""),
    "sweep": (("model.safetensors", *CALIB, "--remove", "1,2", "--epochs", "1000", "-o", "swept"), b"decode"),
    "train": (("--init", "model.safetensors", *TRAIN, "-o", "out.safetensors"), b"epoch"),
    "train in a step": (("--spec", "deit_base_patch16_224", "--data", "synthetic:train:640", "--recipe", "plain", "--batch-size", "64", "-o", "out.safetensors"), "out.safetensors.jsonl"),  # a step takes minutes
    "run": (("chain.toml", "-o", "steps"), b"decode"),
    # Blocked in opening what nobody reads.
    "inspect": (("model.safetensors", "--quiet", "--json", "pipe"), b""),
    "export": (("model.safetensors", "-o", "pipe.onnx"), b""),
    "report": (("r.json", "-o", "pipe"), b""),
}


class Signals(Case):
    @staticmethod
    def is_watching(child):
        """Whether the program already handles the signals; before that, they simply end it."""
        with open(f"/proc/{child.pid}/status", encoding="utf-8") as file:
            blocked, = (int(line.split()[1], 16) for line in file if line.startswith("SigBlk:"))
        return all(blocked & 1 << (number - 1) for number in (signal.SIGINT, signal.SIGTERM))

    def stop(self, name, number):
        """Starts LONG[name] and sends `number`; (exit status, seconds until its end, standard error)."""
        arguments, after = LONG[name]
        with subprocess.Popen([PROGRAM, name.split()[0], *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            seen, deadline = b"", time.monotonic() + 120
            while not (os.path.exists(self.path(after)) if isinstance(after, str) else after in seen) or not self.is_watching(child):
                self.assertLess(time.monotonic(), deadline, f"{name}: {seen.decode()}")
                if select.select([child.stderr], [], [], 0.1)[0]:
                    part = os.read(child.stderr.fileno(), 65536)
                    if not part:
                        break
                    seen += part
            self.assertIsNone(child.poll(), f"{name} ended by itself: {seen.decode()}")
            time.sleep(0.3 if after else 0.8)
            begun = time.monotonic()
            child.send_signal(number)
            try:
                _, rest = child.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                child.kill()
                raise
            return child.returncode, time.monotonic() - begun, (seen + rest).decode()

    def test_every_command(self):
        program = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
        listed = program.split("Commands:")[-1].split("First steps:")[0]
        commands = {line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "}
        self.assertEqual(commands - {"completion"}, {name.split()[0] for name in LONG}, "every command that works is stopped once")
        with open(self.path("chain.toml"), "w", encoding="utf-8") as file:
            file.write('model = "model.safetensors"\ncalib = "synthetic:calib:20000"\n\n[[step]]\ncommand = "analyze"\nremove = "2"\n')
        os.mkfifo(self.path("pipe"))
        os.mkfifo(self.path("pipe.onnx"))
        self.run_vitrim("eval", "model.safetensors", "--data", "synthetic:test:10", "--json", "r.json")
        for i, name in enumerate(LONG):
            with self.subTest(name):
                before = set(self.files())
                status, seconds, words = self.stop(name, (signal.SIGTERM, signal.SIGINT)[i % 2])
                self.assertEqual(status, 130, words)
                self.assertEqual(words.count("vitrim: stopped"), 1, words)
                self.assertLess(seconds, SECONDS, words)
                new = set(self.files()) - before - {"steps"}  # what a chain keeps
                self.assertEqual({n for n in new if not n.endswith((".state", ".jsonl", "settings.txt", ".json"))}, set())
                for n in new:
                    os.remove(self.path(n))

    def test_training_saves_beside_a_long_step(self):
        """A step of seconds is dropped, and the result of the previous one is saved."""
        words = ("train", "--init", "model.safetensors", "--data", "synthetic:train:12288", "--recipe", "plain", "--epochs", "1000", "--batch-size", "4096", "--log-every", "1", "-o", "out.safetensors")
        with subprocess.Popen([PROGRAM, *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            deadline = time.monotonic() + 240
            while not os.path.exists(self.path("out.safetensors.jsonl")) or b'"step"' not in self.read("out.safetensors.jsonl"):
                self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(child.poll())
                time.sleep(0.05)
            time.sleep(0.3)
            self.assertFalse(os.path.exists(self.path("out.safetensors.state")))
            begun = time.monotonic()
            child.send_signal(signal.SIGTERM)
            _, words_said = child.communicate(timeout=60)
            self.assertLess(time.monotonic() - begun, SECONDS, words_said)
            self.assertEqual(child.returncode, 130, words_said)
        self.assertRegex(self.refuse(*words, says="this is the state of an unfinished run"), r"\(after epoch 0, batch [1-9]|\(after epoch [1-9]")

    def test_a_second_signal_ends_at_once(self):
        os.mkfifo(self.path("pipe"))
        with subprocess.Popen([PROGRAM, "inspect", "model.safetensors", "--quiet", "--json", "pipe"], cwd=self.folder, stderr=subprocess.PIPE) as child:
            while not self.is_watching(child):
                time.sleep(0.05)
            time.sleep(0.8)
            self.assertIsNone(child.poll())
            begun = time.monotonic()
            child.send_signal(signal.SIGINT)
            time.sleep(0.2)
            child.send_signal(signal.SIGINT)
            child.wait(timeout=30)
            self.assertLess(time.monotonic() - begun, 0.9)
            self.assertEqual(child.returncode, 130)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("signals_program")
