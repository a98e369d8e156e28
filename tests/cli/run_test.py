#!/usr/bin/env python3
"""`vitrim run`: a chain runs once, continues after an interruption, and reports mistakes in a recipe with their place."""

import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import PROGRAM, Case  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))

CHAIN = """model = "model.safetensors"
output = "out"
calib = "synthetic:calib:32"
eval = "synthetic:test:20"

[all]
batch_size = 16

[[step]]
command = "analyze"
remove = 1
te_images = 16

[[step]]
command = "compress"
remove_attention = [1]
epochs = 0

[[step]]
command = "quantize"
keep = ["fc2"]

[[step]]
command = "eval"
from = "compress"

[[step]]
command = "report"
"""


class Run(Case):
    def chain(self, text=CHAIN):
        self.write("chain.toml", text.encode())

    def steps(self, *arguments):
        """Names of the steps that ran, of all steps."""
        document = self.json_of("run", "chain.toml", *arguments)
        self.assertEqual(document["kind"], "run")
        return [step["name"] for step in document["steps"] if not step["cached"]], [step["name"] for step in document["steps"]]

    def test_a_second_run_does_nothing(self):
        self.chain()
        ran, names = self.steps()
        self.assertEqual(ran, ["analyze", "compress", "quantize", "eval", "report"])
        self.assertEqual(ran, names)
        self.assertTrue(os.path.exists(self.path("out", "02_compress", "model", "model.safetensors")))
        self.assertIn("synthetic", self.read("out/05_report/report.html").decode())
        config = json.loads(self.read("out/03_quantize/model/config.json"))
        self.assertEqual(config["vitrim"]["base_model"], "out/02_compress/model/")
        self.assertEqual(len(config["quantization_config"]["config_groups"]["group_0"]["targets"]), 10)  # three blocks of four have attention
        before = os.stat(self.path("out", "02_compress", "model", "model.safetensors")).st_mtime_ns
        self.assertEqual(self.steps()[0], [])
        self.assertEqual(os.stat(self.path("out", "02_compress", "model", "model.safetensors")).st_mtime_ns, before)

    def test_a_changed_step_and_those_after_it(self):
        self.chain()
        self.steps()
        self.chain(CHAIN.replace('keep = ["fc2"]', 'keep = ["proj"]'))
        self.assertEqual(self.steps()[0], ["quantize", "report"])  # eval takes the model of compress
        self.chain(CHAIN.replace("remove_attention = [1]", "remove_attention = [2]"))
        self.assertEqual(self.steps()[0], ["compress", "quantize", "eval", "report"])

    def test_a_file_that_was_touched_or_lost(self):
        self.chain()
        self.steps()
        os.unlink(self.path("out", "03_quantize", "result.json"))
        self.assertEqual(self.steps()[0], ["quantize", "report"])
        with open(self.path("out", "02_compress", "model", "model.safetensors"), "ab") as file:
            file.write(b"x")
        self.assertIn("compress", self.steps()[0])

    def test_the_resolved_recipe_repeats_the_run(self):
        self.chain()
        self.steps()
        recipe = json.loads(self.read("out/run.json"))["recipe"]
        self.assertIn('batch-size = "16"', recipe)
        self.chain(recipe)
        self.assertEqual(self.steps()[0], [])

    def test_an_interrupted_run_goes_on(self):
        self.chain(CHAIN.replace("epochs = 0", "epochs = 1000"))
        program = subprocess.Popen([PROGRAM, "run", "chain.toml"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while not os.path.exists(self.path("out", "02_compress")) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        program.send_signal(signal.SIGTERM)
        _, error = program.communicate(timeout=60)
        self.assertEqual(program.returncode, 130, error)
        self.assertFalse(os.path.exists(self.path("out", "02_compress", "model", "model.safetensors")))
        self.assertEqual([name for name in os.listdir(self.path("out", "02_compress")) if name.endswith(".tmp")], [])
        self.chain()
        self.assertEqual(self.steps()[0], ["compress", "quantize", "eval", "report"])  # not analyze

    def test_a_step_that_fails(self):
        self.chain(CHAIN.replace('eval = "synthetic:test:20"', 'eval = "model.safetensors"').replace('[[step]]\ncommand = "compress"', '[[step]]\ncommand = "compress"\neval = "synthetic:test:20"')
                   .replace('command = "quantize"', 'command = "quantize"\neval = "synthetic:test:20"'))
        error = self.run_vitrim("run", "chain.toml", expect=1).stderr
        self.assertIn("step eval failed", error)
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["01_analyze", "02_compress", "03_quantize", "04_eval", "run.json"])
        self.chain()
        ran = self.steps("--eval", "synthetic:test:20")[0]
        self.assertEqual(ran, ["eval", "report"])

    def test_mistakes_are_found_before_anything_runs(self):
        for old, new, words in (
                ("te_images = 16", "te_imags = 16", 'line 12: unknown key of analyze "te_imags"; did you mean "te-images"?'),
                ('command = "quantize"', 'command = "quantise"', '"quantise" is not a command of a chain; did you mean "quantize"?'),
                ('calib = "', 'calibration = "', 'line 3: unknown key "calibration"; did you mean "calib"?'),
                ("batch_size = 16", "batch_sise = 16", 'unknown key of [all] "batch_sise"'),
                ('from = "compress"', 'from = "prune"', 'from = "prune": no earlier step with that name writes a model'),
                ("epochs = 0", 'epochs = "many"', "compress: "),
                ("epochs = 0", "epochs = 2020-01-01", "expected a string in quotes, a number, true, false or a list"),
                ("remove = 1", "output = 'x'", 'unknown key of analyze "output"'),
                ("[[step]]", "[[step", "line 9"),
                ('eval = "synthetic:test:20"', 'eval = "missing/"', "missing/: no such file or folder; name a folder of class folders"),
        ):
            self.chain(CHAIN.replace(old, new, 1))
            error = self.run_vitrim("run", "chain.toml", expect=1).stderr
            self.assertIn(words, error)
            self.assertFalse(os.path.exists(self.path("out")), words)
        self.chain(CHAIN.replace('model = "model.safetensors"\n', ""))
        self.assertIn("pass --model", self.run_vitrim("run", "chain.toml", expect=2).stderr)
        self.assertIn('did you mean "vit_tiny"', self.run_vitrim("run", "vit_tinny", expect=1).stderr)
        self.refuse("run", "nonsense", says=("the built-in ones are", "vit_tiny"))
        os.mkdir(self.path("folder"))
        self.refuse("run", "folder", says=("folder is a folder, but a recipe is a TOML file", "vitrim eval"))
        self.refuse("run", "recipes/vit_tiny.toml", says="recipes/vit_tiny.toml: no such file; vit_tiny is a built-in recipe: vitrim run vit_tiny")

    def test_the_two_kinds_of_recipes_are_told_apart(self):
        for name in ("cifar100", "recipes/cifar100.toml"):
            self.refuse("run", name, says="settings for train, dilute and prune, which take them with --recipe cifar100")
        for text in ('include = "finetune"\n', "[schedule]\nepochs = 3\n"):
            self.chain(text)
            self.refuse("run", "chain.toml", says=("chain.toml", "line 1", "settings for train, dilute and prune, which take them with --recipe chain.toml"))
        self.chain(CHAIN)
        train = ("train", "--init", "model.safetensors", "--data", "synthetic:train:32", "-o", "out.safetensors", "--recipe")
        self.refuse(*train, "chain.toml", says=("chain.toml", "line 9", "these are steps of a chain, which vitrim run takes"))
        for name in ("vit_tiny", "recipes/run/vit_tiny.toml"):
            self.refuse(*train, name, says="it runs as vitrim run vit_tiny", expect=2)
        self.refuse(*train, "recipes/deit.toml", says="no such file; deit is a built-in recipe: --recipe deit")

    def test_built_in_recipes(self):
        """Every chain of recipes/run, step by step, as the parser of every command takes it."""
        names = sorted(name[:-5] for name in os.listdir(os.path.join(ROOT, "recipes", "run")))
        self.assertIn("vit_tiny", names)
        for name in names:
            images = ("--calib", "synthetic:calib:32", "--eval", "synthetic:test:20", "--train", "synthetic:train:20")
            commands = self.run_vitrim("run", name, *images, "-o", "out", "--dry-run").stdout.splitlines()
            self.assertGreaterEqual(len(commands), 5, name)
            self.assertTrue(commands[-1].startswith("vitrim report "), name)
        self.assertFalse(os.path.exists(self.path("out")))
        commands = self.run_vitrim("run", "vit_tiny", "--model", "model.safetensors", "--calib", "a", "-o", "out", "--dry-run").stdout
        self.assertIn("vitrim bench out/04_quantize/model/ --against=model.safetensors --batch=1,32", commands)
        self.assertIn("vitrim export out/02_compress/model/ -o out/06_export/model.onnx --dynamic-batch --json", commands)
        # An evaluation folder with some of ImageNet's classes needs the list of all of them, in each step that evaluates.
        commands = self.run_vitrim("run", "vit_tiny", "--model", "m.safetensors", "--calib", "a", "--eval", "b", "--classes", "imagenet-1k", "-o", "out",
                                   "--dry-run").stdout.splitlines()
        self.assertEqual([line.split()[1] for line in commands if "--classes=imagenet-1k" in line], ["analyze", "compress", "merge", "quantize"])

    def test_a_built_in_recipe_runs_to_its_end(self):
        # Static attention, merging above it, int8, an ONNX graph of the float model.
        model = os.path.join(ROOT, "models", "synthetic_vit.safetensors")
        self.run_vitrim("run", "vit_tiny", "--model", model, "--calib", "synthetic:calib:24", "--eval", "synthetic:test:20", "-o", "out")
        steps = json.loads(self.read("out/run.json"))["steps"]
        self.assertEqual([step["name"] for step in steps], ["analyze", "compress", "merge", "quantize", "bench", "export", "report"])
        blocks = json.loads(self.read("out/04_quantize/result.json"))["compressed_spec"]["blocks"]
        self.assertEqual([i for i, block in enumerate(blocks) if block["attention"] == "static"], [0, 1, 3])
        self.assertEqual([i for i, block in enumerate(blocks) if block.get("merge", 0) > 0], [4, 5, 6, 7])


if __name__ == "__main__":
    cases.main("run_program")
