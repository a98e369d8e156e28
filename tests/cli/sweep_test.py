#!/usr/bin/env python3
"""`vitrim sweep` from outside: every point equals the result of compress, existing results are kept, and impossible points are refused before any work.

usage: sweep_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case, write_model  # noqa: E402

QUICK = (*CALIB, "--epochs", "0", "--te-images", "16", "--precision", "f32")
BOTH = ("--remove", "0,1", "--attention-macs", "100%,70%", "--channels-by", "energy", "--set", "channels.round=2")
NAMES = ["removed_0_attention_70", "removed_1", "removed_1_attention_70"]


class Sweep(Case):
    def sweep(self, *arguments, **more):
        return self.run_vitrim("sweep", "model.safetensors", *QUICK, *arguments, **more)

    def result(self, name):
        return json.loads(self.read(f"swept/{name}.json"))

    def swept(self):
        return sorted(os.listdir(self.path("swept")))

    def test_every_point_is_what_compress_makes(self):
        listing = json.loads(self.sweep(*BOTH, "--eval", "synthetic:test:40", "-o", "swept", "--json", "-").stdout)
        self.assertEqual(self.swept(), sorted([f"{name}.{end}" for name in NAMES for end in ("json", "safetensors")] + ["front.html", "settings.txt"]))
        self.assertEqual([row["result"] for row in listing["models"]], [f"swept/{name}.json" for name in NAMES])
        dense = self.json_of("inspect", "model.safetensors")["macs"]
        for name, row in zip(NAMES, listing["models"]):
            made = self.result(name)
            flags = ["--remove", "1"] if "removed_1" in name else []
            if "attention" in name:
                flags += ["--attention-macs", "70%", "--channels-by", "energy", "--set", "channels.round=2"]
            same = ("--eval", "synthetic:test:40", "-o", "alone.safetensors")
            if flags[:1] == ["--remove"]:
                alone = self.json_of("compress", "model.safetensors", *QUICK, *flags, *same)
            else:
                alone = self.json_of("prune", "model.safetensors", "--few-shot", "--data", CALIB[1], "--block-epochs", "0", "--precision", "f32", *flags, *same)
            self.assertEqual(self.read(f"swept/{name}.safetensors"), self.read("alone.safetensors"), name)
            for key in ("removed", "compressed", "held_out_kl", "reason"):
                self.assertEqual(made[key], alone[key], (name, key))
            self.assertEqual(made["compressed"]["top1"], row["accuracy"])
            self.assertEqual(self.json_of("inspect", f"swept/{name}.safetensors")["macs"], row["macs"])
            self.assertLess(row["macs"], dense)
        self.assertIn(b"Accuracy against multiply-adds", self.read("swept/front.html"))

    def test_a_sweep_goes_on_where_it_was(self):
        whole = ("--remove", "0,1,2", "-o", "swept")
        self.sweep("--remove", "1", "-o", "swept")
        first = self.read("swept/removed_1.json")
        os.unlink(self.path("swept/front.html"))
        done = self.sweep(*whole)
        self.assertEqual(self.read("swept/removed_1.json"), first)
        self.assertEqual(len(self.result("removed_2")["removed"]), 2)
        for words in ("1 of 2 models exist already", "swept/removed_2.json", "wrote swept/front.html"):
            self.assertIn(words, done.stdout + done.stderr)
        # The folder of another sweep does not change; more threads are not another sweep.
        before = {name: self.read("swept/" + name) for name in self.swept()}
        self.refuse("sweep", "model.safetensors", *QUICK, "--set", "fit.ridge=0.5", *whole, says=("settings.txt", "fit.ridge = 0.5"))
        self.refuse("sweep", "model.safetensors", "--calib", "synthetic:calib:24", *QUICK[2:], *whole, says=("settings.txt", "calib"))
        self.assertEqual({name: self.read("swept/" + name) for name in self.swept()}, before)
        self.sweep(*whole, "--threads", "2")
        # Incomplete results are made again, unreadable ones are reported at once, and one more point does not remove the others from the page.
        os.unlink(self.path("swept/removed_1.safetensors"))
        self.sweep("--remove", "1", "-o", "swept")
        page = self.read("swept/front.html")
        for name in (b"removed_1.json", b"removed_2.json"):
            self.assertIn(name, page)
        self.assertTrue(os.path.exists(self.path("swept/removed_1.safetensors")))
        self.write("swept/removed_2.json", b"{")
        self.refuse("sweep", "model.safetensors", *QUICK, "--remove", "3", "-o", "swept", says="removed_2.json")
        # A model with the same name but other weights is another model.
        os.unlink(self.path("swept/removed_2.json"))
        write_model(self.path("model.safetensors"), width=128)
        self.refuse("sweep", "model.safetensors", *QUICK, "--remove", "3", "-o", "swept", says="settings.txt")

    def test_accuracy_against_speed(self):
        # The dense model in int8 is a point of a quantised sweep; all are timed, and other programs' models stand beside them.
        self.write("peers.json", json.dumps({"kind": "peers", "version": 1, "rows": [{"name": "another runtime", "batch": 1, "images_per_second": 9, "accuracy": 0.5}]}).encode())
        self.sweep("--remove", "0,1", "--quantize", "--eval", "synthetic:test:40", "--time", "1", "--peers", "peers.json", "-o", "swept")
        names = ["model.safetensors, native", "removed_0.safetensors, native", "removed_1.safetensors, native"]
        timed = json.loads(self.read("swept/bench.json"))["rows"]
        self.assertEqual([row["name"] for row in timed], names)
        self.assertEqual([row["precision"].split(",")[0] == "int8" for row in timed], [False, True, True])
        self.assertEqual(self.result("removed_0")["compressed_spec"]["blocks"][0]["int8"], ["qkv", "proj", "fc1", "fc2"])
        page = self.read("swept/front.html").decode()
        chart = page[page.index('data-chart="latency"'):]
        for name in [*names, "another runtime"]:
            self.assertIn(f'"name":"{name}"', chart)
        self.write("peers.json", b'{"kind": "peers", "version": 1, "rows": [{"name": "x", "batch": 1, "images_per_second": 9, "accuracy": 50}]}')
        self.refuse("sweep", "model.safetensors", *QUICK, "--remove", "1", "--peers", "peers.json", "-o", "other", says=("peers.json", "rows[0].accuracy", "0.812"))
        self.assertFalse(os.path.exists(self.path("other")))

    def test_a_folder_without_results_is_free_and_one_without_settings_is_not(self):
        os.makedirs(self.path("swept"))
        self.write("swept/settings.txt", b"of a run that made nothing\n")
        self.sweep("--remove", "1", "-o", "swept")
        os.unlink(self.path("swept/settings.txt"))
        self.refuse("sweep", "model.safetensors", *QUICK, "--remove", "2", "-o", "swept", says="no settings.txt")

    def test_what_means_the_same_is_the_same(self):
        self.sweep("--attention-macs", "100.0%, 70 %", "--channels-by", "energy", "--set", "channels.round=2", "-o", "swept")
        self.assertIn("removed_0_attention_70.json", self.swept())
        self.assertEqual(len(self.swept()), 4)
        self.refuse("sweep", "model.safetensors", *QUICK, "--attention-macs", "70%,70.0%", "-o", "other", says="named twice", expect=2)

    def test_refusals(self):
        out = ("-o", "swept")
        sweep = ("sweep", "model.safetensors", *QUICK)
        self.refuse(*sweep, *out, says="the dense model alone", expect=2)
        self.refuse(*sweep, "--remove", "1,1", *out, says="named twice", expect=2)
        self.refuse(*sweep, "--attention-macs", "70%,70%", *out, says="named twice", expect=2)
        self.refuse(*sweep, "--attention-macs", "70%", "--target-macs", "70%", *out, says="--target-macs", expect=2)
        self.refuse(*sweep, "--remove", "1", "--channels-by", "energy", *out, says="--channels-by", expect=2)
        self.refuse(*sweep, "--attention-macs", "70%", "--unequal-heads", *out, says="unequal", expect=2)
        self.refuse(*sweep, "--remove", "0,9", *out, says="--remove")
        self.refuse(*sweep, "--attention-macs", "70%", "--search", "exact", *out, says="--search", expect=2)
        self.refuse(*sweep, "--remove", "1", "--attention-macs", "100%", "--channels-by", "energy", *out, says="--channels-by", expect=2)
        self.refuse(*sweep, "--remove", "1", "--json", "swept/removed_1.json", *out, says="--json", expect=2)
        self.refuse("sweep", "model.safetensors", "--calib", "synthetic:calib:8", "--attention-macs", "70%", "--epochs", "0", *out, says="only 7")
        self.refuse(*sweep, "--remove", "0,1", "--attention-macs", "90%,1%", *out, says=("removed_0_attention_1", "can't be reached"))
        self.refuse(*sweep, "--remove", "1", "--attention-macs", "130%", *out, says="removed_1_attention_130")
        self.refuse(*sweep, "--remove", "1", "-o", "model.safetensors", says="model.safetensors")
        self.refuse(*sweep, "--remove", "1", "--eval", "nowhere", *out, says="nowhere")
        self.assertEqual(self.files(), ["model.safetensors"])


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("sweep_program")
