#!/usr/bin/env python3
"""Training from outside: killed and resumed, several ranks, one step against PyTorch, bad recipes, full disks.

usage: train_test.py [CASES...], with the program in VITRIM_BINARY and the python that imports torch in VITRIM_PYTHON.
"""

import array
import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import PROGRAM, Case, write_png  # noqa: E402

PYTHON = os.environ.get("VITRIM_PYTHON", sys.executable)
HERE = os.path.dirname(os.path.abspath(__file__))
# All random options are on, so a resumed run must draw all of it again.
LIVELY = ("--init", "model.safetensors", "--recipe", "deit", "--resize", "32", "--data", "synthetic:train:96", "--batch-size", "16", "--epochs", "3",
          "--warm-up-epochs", "1", "--learning-rate", "1e-3", "--precision", "f32", "--seed", "3", "--set", "augment.repeats=2")


def read_safetensors(path):
    """Name -> list of floats."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        values = array.array("f")
        begin, end = entry["data_offsets"]
        values.frombytes(data[8 + size + begin:8 + size + end])
        out[name] = values
    return out


def has_torch():
    return subprocess.run([PYTHON, "-c", "import torch, numpy, PIL"], stderr=subprocess.DEVNULL, check=False).returncode == 0


class TrainCase(Case):
    def start(self, *arguments):
        return subprocess.Popen([PROGRAM, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def largest_difference(self, one, other):
        a, b = read_safetensors(self.path(one)), read_safetensors(self.path(other))
        self.assertEqual(a.keys(), b.keys())
        return max(abs(x - y) for name in a for x, y in zip(a[name], b[name]))


class Resume(TrainCase):
    def test_killed_at_any_moment_and_resumed_ends_with_the_same_bytes(self):
        began = time.monotonic()
        self.run_vitrim("train", *LIVELY, "-o", "whole.safetensors")
        whole = time.monotonic() - began
        draw = random.Random(os.getpid())
        command = ("train", *LIVELY, "-o", "parts.safetensors", "--resume", "--state-minutes", "0.0001")
        killed = 0
        for _ in range(4):
            run = self.start(*command)
            time.sleep(whole * draw.uniform(0.3, 0.8))
            killed += run.poll() is None
            run.send_signal(signal.SIGKILL)
            run.wait()
        self.assertGreater(killed, 0, "the run ended before it could be killed")
        self.run_vitrim(*command)
        self.assertEqual(self.read("parts.safetensors"), self.read("whole.safetensors"))
        self.assertEqual([f for f in self.files() if f.endswith(".tmp") and "state" not in f], [])

    def test_sigterm_writes_a_state_and_leaves(self):
        long_epoch = tuple("synthetic:train:20000" if word == "synthetic:train:96" else word for word in LIVELY)
        run = self.start("train", *long_epoch, "-o", "out.safetensors", "--log-every", "1")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if "out.safetensors.jsonl" in self.files() and b'"event":"step"' in self.read("out.safetensors.jsonl"):
                break
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(timeout=60), 130)
        state = self.read("out.safetensors.state")
        header = json.loads(state[8:8 + struct.unpack("<Q", state[:8])[0]])
        position = next(json.loads(text) for text in header["__metadata__"].values() if '"training_state"' in text)
        self.assertEqual(position["epoch"], 0)
        self.assertGreater(position["batch"], 0, "in the middle of the first epoch")
        self.assertNotIn("out.safetensors", self.files())

    def test_a_forgotten_resume_costs_nothing(self):
        run = self.start("train", *LIVELY, "-o", "out.safetensors", "--epochs", "500")
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path("out.safetensors.state")) and time.monotonic() < deadline:
            time.sleep(0.05)
        run.kill()
        run.wait()
        for name in self.files():
            if name.endswith(".tmp"):
                os.remove(self.path(name))
        state = self.read("out.safetensors.state")
        self.refuse("train", *LIVELY, "-o", "out.safetensors", "--epochs", "500", says=("out.safetensors.state", "--resume"))
        self.assertEqual(self.read("out.safetensors.state"), state)

    def test_the_recipe_suits_the_beginning(self):
        data = ("--data", "synthetic:train:64", "--resize", "32", "--epochs", "1", "--warm-up-epochs", "0", "--batch-size", "16")
        tuned = self.json_of("train", "--init", "model.safetensors", *data, "-o", "a.safetensors")["recipe"]
        scratch = self.json_of("train", "--spec", self.spec_file(), *data, "--set", "augment.repeats=1", "-o", "b.safetensors")["recipe"]
        self.assertEqual(tuned["mixing"]["mixup"], 0)
        self.assertEqual(scratch["mixing"]["mixup"], 0.8)

    def spec_file(self):
        self.run_vitrim("inspect", "model.safetensors", "--write-spec", "spec.json")
        return "spec.json"

    def test_two_runs_do_not_share_an_output(self):
        run = self.start("train", *LIVELY, "-o", "out.safetensors", "--epochs", "500")
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path("out.safetensors.state")) and time.monotonic() < deadline:
            time.sleep(0.05)
        second = self.run_vitrim("train", *LIVELY, "-o", "out.safetensors", "--epochs", "500", "--resume", expect=1)
        self.assertIn("another run is still writing this log", second.stderr)
        self.assertIsNone(run.poll())
        self.assertGreater(len(self.read("out.safetensors.jsonl")), 0)
        run.kill()
        run.wait()

    def test_another_number_of_layers_is_not_resumed(self):
        command = ("dilute", "model.safetensors", *LIVELY[2:], "--dilution-epochs", "1", "--criterion", "te", "--search", "greedy", "--images", "16", "-o", "out.safetensors")
        self.run_vitrim(*command, "--remove", "1")
        self.refuse(*command, "--remove", "50%", "--resume", says=("out.safetensors.state", "--remove 50%", "--resume"))
        self.run_vitrim(*command, "--remove", "25%", "--resume")

    def test_another_command_is_not_resumed(self):
        self.run_vitrim("train", *LIVELY, "--epochs", "1", "--warm-up-epochs", "0", "-o", "out.safetensors")
        self.refuse("train", *LIVELY, "-o", "out.safetensors", "--resume", says=("epochs", "--resume"))

    def test_a_full_disk_keeps_the_last_good_state(self):
        self.run_vitrim("train", *LIVELY, "--epochs", "2", "-o", "out.safetensors")
        state = self.read("out.safetensors.state")
        limit = len(state) // 2
        done = subprocess.run([PROGRAM, "train", *LIVELY, "-o", "out.safetensors"], cwd=self.folder, capture_output=True, text=True, timeout=300,
                              check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        # The run continues with a warning, and the previous file stays complete.
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"warning: the training state could not be written: cannot write out\.safetensors\.state")
        self.assertEqual(self.read("out.safetensors.state"), state)


class Ranks(TrainCase):
    def torchrun(self, ranks, *arguments, expect=0):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run([PYTHON, "-m", "torch.distributed.run", "--no-python", f"--nproc-per-node={ranks}", "--master-addr=127.0.0.1",
                               f"--master-port={random.randrange(20000, 60000)}", PROGRAM, *arguments],
                              cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, env=environment, check=False)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def setUp(self):
        super().setUp()
        if not has_torch():
            self.skipTest("SKIPPED: no python with torch")

    def test_two_ranks_are_one(self):
        # With layers that fade out (and parameters that leave the reducer), accumulation and evaluation.
        command = ("dilute", "model.safetensors", *LIVELY[2:], "--remove-attention", "1", "--dilution-epochs", "1", "--set", "ema.decay=0", "--set", "optimizer.accumulate=2",
                   "--eval", "synthetic:test:30", "--set", "optimizer.eps=1e-3")
        self.run_vitrim(*command, "-o", "one.safetensors", "--json", "one.json")
        self.torchrun(2, *command, "-o", "two.safetensors", "--json", "two.json")
        # Gradients are summed in another order: relative errors of sqrt(16 rows * 17 tokens) * 2^-24 = 1e-6 of their sums. With eps 1e-3 a step of 1e-3 moves
        # a weight by at most lr * dg / eps = 1e-6; 18 steps, errors feed back, and folding doubles: 1e-4.
        self.assertLess(self.largest_difference("one.safetensors", "two.safetensors"), 1e-4)
        one, before = read_safetensors(self.path("one.safetensors")), read_safetensors(self.path("model.safetensors"))
        moved = max(abs(x - y) for x, y in zip(one["blocks.3.mlp.fc2.weight"], before["blocks.3.mlp.fc2.weight"]))
        self.assertGreater(moved, 1e-3, "the weights must have moved further than the tolerance")
        self.assertEqual([f for f in self.files() if f.startswith("two.")],
                         ["two.json", "two.safetensors", "two.safetensors.jsonl", "two.safetensors.state"])
        results = [json.loads(self.read(name)) for name in ("one.json", "two.json")]
        self.assertEqual(results[0]["evaluation"]["images"], results[1]["evaluation"]["images"])

    def test_a_rank_that_dies_stops_the_others(self):
        port = str(random.randrange(20000, 60000))
        runs = []
        for rank in range(2):
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank),
                           "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            runs.append(subprocess.Popen([PROGRAM, "train", *LIVELY, "--epochs", "1000", "-o", "out.safetensors"], cwd=self.folder, env=environment,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        deadline = time.monotonic() + 60
        while not os.path.exists(self.path("out.safetensors.jsonl")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        runs[1].kill()
        _, text = runs[0].communicate(timeout=60)
        runs[1].communicate()
        self.assertEqual(runs[0].returncode, 1, text)
        self.assertRegex(text.strip().splitlines()[-1], r"^vitrim: .*rank")


class Dilute(TrainCase):
    def test_the_export_has_no_such_layers(self):
        done = self.run_vitrim("dilute", "model.safetensors", "--recipe", "plain", "--resize", "32", "--data", "synthetic:train:64", "--eval",
                               "synthetic:test:40", "--remove-attention", "0,2", "--epochs", "2", "--dilution-epochs", "1", "--batch-size", "16",
                               "--track-entropy", "16", "-o", "out.safetensors", "--json", "out.json", "--report", "out.html")
        self.assertIn("paired difference", done.stdout)
        self.assertEqual([b["attention"] for b in self.json_of("inspect", "out.safetensors")["blocks"]], ["none", "softmax", "none", "softmax"])
        with open(self.path("out.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual(result["removed"], [0, 2])
        self.assertEqual([e["lambda"] for e in result["epochs"]], [0, 0])
        self.assertEqual(len(result["epochs"][0]["entropy"]["mlp"]), 4)
        self.assertEqual(result["epochs"][1]["entropy"]["attention"][0], None)
        self.assertEqual(result["recipe"]["dilution"]["epochs"], 1)
        self.assertEqual(result["evaluation"]["images"], 40)

    def test_absorbed_first_with_a_teacher_of_every_block_and_lambda_by_the_held_out_loss(self):
        command = ("dilute", "model.safetensors", "--recipe", "plain", "--resize", "32", "--data", "synthetic:train:64", "--remove-attention", "0,2",
                   "--epochs", "2", "--dilution-epochs", "1", "--batch-size", "16", "--absorb-first", "--schedule", "held_out", "--teacher",
                   "model.safetensors", "--set", "distillation.block_weight=1", "-o", "out.safetensors", "--json", "out.json")
        self.refuse(*command, says="--validate", expect=2)
        done = self.run_vitrim(*command, "--validate", "synthetic:test:40")
        self.assertRegex(done.stderr, r"absorbed in closed form: mean KL to the dense model \S+ nats on 6 images kept out")
        self.assertEqual([b["attention"] for b in self.json_of("inspect", "out.safetensors")["blocks"]], ["none", "softmax", "none", "softmax"])
        with open(self.path("out.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["epochs"][-1]["lambda"], 0)

    def test_an_analysis_chooses_where_nobody_names_layers(self):
        self.run_vitrim("dilute", "model.safetensors", "--recipe", "plain", "--resize", "32", "--data", "synthetic:train:64", "--remove", "25%",
                        "--epochs", "1", "--batch-size", "16", "--warm-up-epochs", "0", "--criterion", "te", "-o", "out.safetensors", "--json", "out.json")
        with open(self.path("out.json"), encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual(len(result["removed"]), 1)
        self.assertEqual(result["reason"], "te, beam")


class FromTheGroundUp(TrainCase):
    def test_a_spec_whose_bottom_blocks_have_no_attention(self):
        self.run_vitrim("inspect", "model.safetensors", "--remove-attention", "0,1", "--write-spec", "spec.json")
        self.run_vitrim("train", "--spec", "spec.json", "--recipe", "plain", "--resize", "32", "--data", "synthetic:train:32", "--batch-size", "16",
                        "--epochs", "1", "--warm-up-epochs", "0", "--set", "regularization.high_frequency_weight=0.01", "-o", "out.safetensors")
        self.assertEqual([b["attention"] for b in self.json_of("inspect", "out.safetensors")["blocks"]], ["none", "none", "softmax", "softmax"])

    def test_new_head_and_image_size(self):
        self.run_vitrim("train", "--init", "model.safetensors", "--new-head", "--image-size", "48", "--resize", "48", "--recipe", "plain", "--data",
                        "synthetic:train:32", "--batch-size", "16", "--epochs", "1", "--warm-up-epochs", "0", "-o", "out.safetensors")
        self.run_vitrim("eval", "out.safetensors", "--data", "synthetic:test:20")


class Choices(TrainCase):
    def test_best_epoch_and_teacher(self):
        self.run_vitrim("train", "--init", "model.safetensors", "--recipe", "plain", "--resize", "32", "--data", "synthetic:train:64", "--validate",
                        "synthetic:val:40", "--eval", "synthetic:test:40", "--keep-best", "--teacher", "model.safetensors", "--epochs", "3", "--batch-size",
                        "16", "-o", "out.safetensors", "--json", "out.json")
        result = json.loads(self.read("out.json"))
        best = max(range(3), key=lambda i: (result["epochs"][i]["top1"], i))
        self.assertEqual(result["chosen_epoch"], best + 1)
        self.assertEqual(result["recipe"]["distillation"]["teacher"], "model.safetensors")

    def write_tar(self, name, labels):
        with tarfile.open(self.path(name), "w") as tar:
            for i, label in enumerate(labels):
                write_png(self.path("image.png"), seed=10 * label + i)
                tar.add(self.path("image.png"), arcname=f"{i:04}.png")
                self.write("image.cls", b"%d" % label)
                tar.add(self.path("image.cls"), arcname=f"{i:04}.cls")

    def test_tar_shards(self):
        self.write_tar("train-0.tar", range(9, -1, -1))
        self.write_tar("train-1.tar", range(10))
        self.run_vitrim("train", "--init", "model.safetensors", "--recipe", "plain", "--resize", "none", "--data", "train-{0..1}.tar", "--epochs", "1",
                        "--warm-up-epochs", "0", "--batch-size", "10", "-o", "out.safetensors")

    def test_tar_shards_of_some_classes(self):
        self.write_tar("train-0.tar", range(9))  # the model has ten
        os.makedirs(self.path("images", "class2"))
        write_png(self.path("images", "class2", "one.png"))
        self.write("classes.txt", b"".join(b"class%d\n" % i for i in range(10)))
        train = ("train", "--init", "model.safetensors", "--recipe", "plain", "--resize", "none", "--data", "train-0.tar", "--epochs", "1", "--warm-up-epochs", "0",
                 "--batch-size", "9", "-o", "out.safetensors")
        result = self.json_of(*train, "--eval", "images", "--classes", "classes.txt")  # the list is the folder's
        self.assertEqual(result["evaluation"]["images"], 1)
        self.assertEqual(self.json_of("eval", "model.safetensors", "--resize", "none", "--data", "train-0.tar")["images"], 9)
        os.remove(self.path("out.safetensors"))
        os.remove(self.path("out.safetensors.state"))
        self.refuse(*train, "--classes", "classes.txt", says="tar shards")
        self.write_tar("train-0.tar", [3, 10])
        self.refuse(*train, says=("10 classes", "has 11", ".cls"))
        self.refuse("eval", "model.safetensors", "--resize", "none", "--data", "train-0.tar", says=("10 classes", "labels beyond them", ".cls"))


class BadInput(TrainCase):
    def test_recipes(self):
        data = ("train", "--init", "model.safetensors", "--resize", "32", "--data", "synthetic:train:32", "-o", "out.safetensors")
        self.refuse(*data, "--set", "schedule.epoch=3", says=("schedule.epoch", "schedule.epochs"), expect=2)
        self.refuse(*data, "--set", "epochs", expect=2)
        self.refuse(*data, "--epochs", "-1", says="epochs", expect=2)
        self.refuse(*data, "--dilution-epochs", "400", says="dilution", expect=2)
        self.refuse(*data, "--recipe", "diet", says=("diet", "deit"), expect=2)
        self.write("own.toml", b"[schedule]\nepochs = 3\nlerning_rate = 1\n")
        self.refuse(*data, "--recipe", "own.toml", says=("own.toml", "3", "lerning_rate", "learning_rate"))

    def test_usage(self):
        self.refuse("train", "--data", "synthetic:train:32", "-o", "out.safetensors", says=("--spec", "--init"), expect=2)
        self.refuse("train", "--init", "model.safetensors", "--data", "synthetic:train:32", "-o", "out.safetensors", "--keep-best", says="--validate",
                    expect=2)
        self.refuse("dilute", "model.safetensors", "--data", "synthetic:train:32", "-o", "out.safetensors", says="--remove", expect=2)
        data = ("train", "--init", "model.safetensors", "--resize", "32", "--recipe", "plain", "--data", "synthetic:train:8", "-o", "out.safetensors")
        self.refuse(*data, says="batch")
        self.refuse(*data, "--dilution-epochs", "1", says="dilute", expect=2)
        self.refuse(*data, "--teacher", "deit_tiny_patch16_224", says=("deit_tiny_patch16_224", "weights"))
        self.refuse(*data, "--teacher", "missing.safetensors", says="missing.safetensors")
        self.refuse(*data, "--state", "nowhere/state", says="nowhere")
        self.refuse(*data, "--eval", "synthetic:test:8", "--validate", "synthetic:test:8", says="same images", expect=2)
        for name in ("a", "b"):
            os.makedirs(self.path("folder", name))
            write_png(self.path("folder", name, "image.png"))
        self.refuse("train", "--init", "model.safetensors", "--resize", "32", "--recipe", "plain", "--data", "folder", "-o", "out.safetensors",
                    says=("10 classes", "--new-head"))


class AgainstPyTorch(TrainCase):
    """One optimiser step, everything random switched off: the same weights as PyTorch's autograd and AdamW."""

    def test_one_step(self):
        if not has_torch():
            self.skipTest("SKIPPED: no python with torch, numpy and Pillow")
        for i in range(16):
            os.makedirs(self.path("images", f"class{i % 3}"), exist_ok=True)
            write_png(self.path("images", f"class{i % 3}", f"{i}.png"), seed=i)
        self.write("classes.txt", b"".join(b"class%d\n" % i for i in range(10)))
        self.run_vitrim("train", "--init", "model.safetensors", "--recipe", "plain", "--resize", "none", "--data", "images", "--classes", "classes.txt",
                        "--batch-size", "16", "--epochs", "1", "--warm-up-epochs", "0", "--label-smoothing", "0.1", "--set", "optimizer.clip_norm=0.5",
                        "--precision", "f32", "-o", "out.safetensors")
        subprocess.run([PYTHON, os.path.join(HERE, "pytorch_step.py"), self.folder], check=True, timeout=120)
        # AdamW's first step is lr g / (|g| + eps): where g is not far above rounding (1e-7 of the largest, about 1), its sign is chance, and a weight may differ by
        # two steps of 1e-3. Elsewhere rounding of g moves it by lr dg / |g|. So: the mean must be tiny, and next to no weight may be off by a tenth of a step.
        ours, theirs, before = (read_safetensors(self.path(n)) for n in ("out.safetensors", "expected.safetensors", "model.safetensors"))
        self.assertEqual(ours.keys(), theirs.keys())
        for name, values in theirs.items():
            differences = [abs(x - y) for x, y in zip(ours[name], values)]
            moved = sum(abs(x - y) for x, y in zip(values, before[name])) / len(values)
            self.assertLess(sum(differences) / len(values), 0.01 * moved + 1e-8, name)
            self.assertLess(sum(d > 1e-4 for d in differences), 0.01 * len(values) + 1, name)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("train_program")
