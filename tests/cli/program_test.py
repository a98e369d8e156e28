#!/usr/bin/env python3
"""Drives the program as a person or a script would: exit codes, what is printed where, bad input, interrupted runs.

usage: program_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import os
import pty
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import CALIB, DEPTH, PROGRAM, Case, write_png  # noqa: E402


class Usage(Case):
    def test_help_and_version(self):
        self.assertIn("compress", self.run_vitrim("--help").stdout)
        self.assertRegex(self.run_vitrim("--version").stdout, r"^vitrim \d+\.\d+\.\d+")
        for command in ("inspect", "analyze", "compress", "eval", "report"):
            self.assertIn("--json", self.run_vitrim(command, "--help").stdout)

    def test_no_command(self):
        self.refuse(expect=2)

    def test_unknown_command_names_the_nearest(self):
        self.refuse("inspekt", "model.safetensors", says=("inspekt", "inspect"), expect=2)

    def test_unknown_flag_names_the_nearest(self):
        for command, wrong, right in (("analyze", "--clib", "--calib"), ("compress", "--reprot", "--report"), ("eval", "--dat", "--data"),
                                      ("inspect", "--jsn", "--json"), ("inspect", "--remove-atention=1", "--remove-attention")):
            with self.subTest(wrong):
                self.refuse(command, "model.safetensors", wrong, "x", says=(wrong, right), expect=2)

    def test_no_name_is_suggested_where_none_is_close(self):
        for words in (("compress", "model.safetensors", "--dry-run"), ("nonsense",)):
            self.assertNotIn("did you mean", self.refuse(*words, says=("unknown", words[-1]), expect=2))
        self.refuse("quantize", "model.safetensors", "--bits", "4", says="--weight-bits", expect=2)
        self.refuse("inspect", "nowhere", says="vitrim inspect --list")

    def test_surplus_and_missing_words(self):
        self.refuse("inspect", "model.safetensors", "images", says="unexpected argument: images; besides flags the command takes MODEL", expect=2)
        self.refuse("quantize", "model.safetensors", "-o", says="--output needs a value", expect=2)
        self.refuse("compress", "model.safetensors", *CALIB, "--static", "0.25", "-o", "x.safetensors", says="25% for a share")

    def test_missing_arguments(self):
        self.refuse("inspect", expect=2)
        self.refuse("inspect", "model.safetensors", "--list", expect=2)
        self.refuse("analyze", "model.safetensors", says="--calib", expect=2)
        self.refuse("compress", "model.safetensors", *CALIB, "--remove", "1", expect=2)
        self.refuse("eval", "model.safetensors", says="--data", expect=2)
        self.refuse("report", "a.json", expect=2)

    def test_values_out_of_range(self):
        data = ("eval", "model.safetensors", "--data", "synthetic:test:10")
        for flags in (("--threads", "0"), ("--threads", "many"), ("--std", "0"), ("--mean", "1,2"), ("--resize", "big"), ("--resize", "0"),
                      ("--interpolation", "nearest"), ("--precision", "f8"), ("--batch-size", "0"), ("--max-corrupt", "-1"), ("--crop", "0")):
            with self.subTest(flags):
                self.refuse(*data, *flags, expect=2)
        self.refuse("analyze", "model.safetensors", *CALIB, "--search", "exakt", expect=2)

    def test_how_many_and_which_exclude_each_other(self):
        compress = ("compress", "model.safetensors", *CALIB, "-o", "out.safetensors")
        self.refuse(*compress, says=("--static", "--remove", "--remove-attention"), expect=2)
        self.refuse(*compress, "--remove", "1", "--remove-attention", "0", says="--remove-attention", expect=2)
        self.refuse(*compress, "--target-params", "80%", says=("--target-params prunes channels after layers are made static or removed", "--remove 0"), expect=2)

    def test_unknown_normalisation_names_the_flags(self):
        data = bytearray(self.read("model.safetensors"))
        start = data.find(b'"mean"')
        data[start:start + 6] = b'"meam"'
        self.write("bare.safetensors", bytes(data))
        self.refuse("eval", "bare.safetensors", "--data", "synthetic:test:10", says=("--mean", "--std"), expect=2)
        self.run_vitrim("eval", "bare.safetensors", "--data", "synthetic:test:10", "--mean", "0.5", "--std", "0.5,0.5,0.5")


class Inspect(Case):
    def test_known_architectures_are_listed(self):
        listed = {entry["name"]: entry for entry in self.json_of("inspect", "--list")["architectures"]}
        self.assertIn("swin_tiny_patch4_window7_224", listed)
        self.assertEqual(listed["deit_tiny_patch16_224"]["params"], self.json_of("inspect", "deit_tiny_patch16_224")["params"])

    def test_deit_base_less_five_layers(self):
        out = self.json_of("inspect", "deit_base_patch16_224", "--remove-attention", "0,1,3,4,6")
        self.assertAlmostEqual(out["params_change"], -0.137, delta=0.0005)
        self.assertEqual(out["params"], 86567656)
        self.assertEqual(out["removed"], [0, 1, 3, 4, 6])
        self.assertEqual([b["attention"] for b in out["left"]["blocks"]].count("none"), 5)

    def test_contract(self):
        out = self.json_of("inspect", "model.safetensors")
        self.assertEqual(len(out["blocks"]), DEPTH)
        self.assertGreater(out["params"], sum(block["params"] for block in out["blocks"]))
        self.assertGreater(out["macs"], 0)
        self.assertEqual(out["blocks"][0]["attention"], "softmax")

    def test_words_on_standard_output(self):
        self.assertIn("MACs", self.run_vitrim("inspect", "model.safetensors").stdout)


class Results(Case):
    def test_json_alone_on_standard_output(self):
        scores = self.json_of("analyze", "model.safetensors", *CALIB, "--remove", "40%")
        self.assertEqual(len(scores["entropy"]["attention"]), DEPTH)
        self.assertEqual(len(scores["entropy"]["mlp"]), DEPTH)
        self.assertIn("output", scores["entropy"])
        self.assertEqual(sorted(scores["te"]["drop"]), [str(i) for i in range(DEPTH)])
        self.assertEqual(sorted(scores["te"]["identity"]), [str(i) for i in range(DEPTH)])
        self.assertEqual(len(scores["chosen"]), 2, "40 % of 4 layers rounds to 2")
        self.assertGreater(scores["block_evaluations"], 0)
        result = self.json_of("eval", "model.safetensors", "--data", "synthetic:test:30")
        self.assertEqual(result["images"], 30)
        self.assertTrue(0 <= result["top1_ci95"][0] <= result["top1"] <= result["top1_ci95"][1] <= 1, result)
        self.assertLessEqual(result["top1"], result["top5"])

    def test_json_file_beside_words(self):
        done = self.run_vitrim("eval", "model.safetensors", "--data", "synthetic:test:10", "--json", "e.json")
        self.assertIn("top-1", done.stdout)
        self.assertEqual(json.loads(self.read("e.json"))["images"], 10)

    def test_compress(self):
        out = self.json_of("compress", "model.safetensors", *CALIB, "--eval", "synthetic:test:20", "--remove", "25%", "-o", "out.safetensors",
                           "--report", "page.html")
        self.assertEqual(len(out["removed"]), 1)
        for key in ("dense", "compressed"):
            self.assertEqual(out[key]["images"], 20)
        self.assertTrue(out["paired"]["ci95"][0] <= out["paired"]["difference"] <= out["paired"]["ci95"][1])
        self.assertTrue(0 <= out["paired"]["mcnemar_p"] <= 1)
        self.assertIn("absorb", out["seconds"])
        self.assertIn(b"<html", self.read("page.html"))
        kinds = [block["attention"] for block in self.json_of("inspect", "out.safetensors")["blocks"]]
        self.assertEqual([i for i, kind in enumerate(kinds) if kind == "none"], out["removed"])
        again = self.json_of("eval", "out.safetensors", "--data", "synthetic:test:20", "--precision", "f32")
        self.assertAlmostEqual(again["top1"], out["compressed"]["top1"], delta=0.051, msg="at most one image of 20 apart")
        self.assertEqual(self.files(), ["model.safetensors", "out.safetensors", "page.html"])

    def test_compress_named_layers(self):
        out = self.json_of("compress", "model.safetensors", *CALIB, "--remove-attention", "0,2", "-o", "out.safetensors")
        self.assertEqual(out["removed"], [0, 2])

    def test_compress_static(self):
        out = self.json_of("compress", "model.safetensors", *CALIB, "--eval", "synthetic:test:20", "--static", "0,2", "-o", "out.safetensors")
        self.assertEqual([block["attention"] for block in out["compressed_spec"]["blocks"]].count("static"), 2)
        self.assertEqual(out["removed"], [])
        self.assertIn("static", out["reason"])
        self.assertLess(out["compressed"]["macs"], out["dense"]["macs"])
        again = self.json_of("eval", "out.safetensors", "--data", "synthetic:test:20")
        self.assertAlmostEqual(again["top1"], out["compressed"]["top1"], delta=0.051, msg="at most one image of 20 apart")
        both = self.json_of("compress", "model.safetensors", *CALIB, "--static", "0", "--remove", "1", "-o", "both.safetensors")
        self.assertEqual(len(both["removed"]), 1)
        self.assertNotIn(0, both["removed"])
        self.assertEqual(both["compressed_spec"]["blocks"][0]["attention"], "static")
        run = self.run_vitrim("compress", "model.safetensors", *CALIB, "--static", "50%", "--remove-attention", "1", "-o", "chosen.safetensors", "--resume", "--json", "-")
        chosen = json.loads(run.stdout)
        kinds = [block["attention"] for block in chosen["compressed_spec"]["blocks"]]
        self.assertEqual((kinds.count("static"), kinds[1]), (len(kinds) // 2, "none"))
        # Every pass of the search says what it scores; no pass is repeated.
        self.assertEqual(re.findall(r"^absorbed, (.*): \d+ block evaluations in", run.stderr, re.MULTILINE), ["sets of 1 static layer", "sets of 2 static layers"])
        self.assertRegex(chosen["reason"], r"made static \(criterion absorbed, beam search\)")
        self.assertFalse(os.path.exists(self.path("chosen.state")))
        self.refuse("compress", "model.safetensors", *CALIB, "--static", "best:9", "-o", "no.safetensors", says="--static")
        self.refuse("compress", "model.safetensors", *CALIB, "--static", "0", "--remove-attention", "0", "-o", "no.safetensors", says="layer 0 is in both --static")
        self.refuse("compress", "model.safetensors", *CALIB, "--static", "77", "-o", "no.safetensors", says=("--static", "write 25% for a share"))
        told = self.run_vitrim("compress", "model.safetensors", *CALIB, "--static", "0", "--remove-attention", "1", "--epochs", "0", "-o", "told.safetensors").stdout
        self.assertIn("removed the attention of 1 (named); the attention of 0 made static: ", told)

    def test_some_of_the_images_are_evaluated(self):
        evaluate = ("eval", "model.safetensors", "--data", "synthetic:test:40")
        whole, some = self.json_of(*evaluate), self.json_of(*evaluate, "--images", "10")
        self.assertEqual((some["images"], some["correct"]), (10, whole["correct"][::4]))
        self.assertNotEqual(some["manifest"]["data_fingerprint"], whole["manifest"]["data_fingerprint"])
        self.assertIn("10 images spread over synthetic set, test, 40 images", self.run_vitrim(*evaluate, "--images", "10").stdout)
        self.refuse(*evaluate, "--images", "10", "--train", "synthetic:test:40", says="--train and --data are the same images", expect=2)
        self.refuse(*evaluate, "--images", "0", says="--images", expect=2)
        quantize = ("quantize", "model.safetensors", "-o", "no.safetensors", "--eval-images", "10")
        self.refuse(*quantize, says="--eval-images applies to the images of --eval", expect=2)
        self.refuse(*quantize, "--eval", "synthetic:test:40", "--train", "synthetic:test:40", says="leave --eval-images out", expect=2)

    def test_compress_with_views(self):
        compress = ("compress", "model.safetensors", "--calib", "synthetic:calib:64", "--remove-attention", "1", "--epochs", "0")
        plain = self.json_of(*compress, "-o", "plain.safetensors")
        out = self.json_of(*compress, "--views", "2", "--distill-epochs", "1", "-o", "out.safetensors")
        self.assertIn("refine", out["seconds"])
        self.assertIn("distil", out["seconds"])
        self.assertLessEqual(out["held_out_kl"], plain["held_out_kl"], "the best weights are kept, those from before included")
        # A memory that holds 64 images and no more: the others are seen in views, or a warning says that they are not.
        few = self.run_vitrim("compress", "model.safetensors", "--calib", "synthetic:calib:96", "--remove-attention", "1", "--epochs", "0", "--memory", "0.0001",
                              "-o", "few.safetensors")
        self.assertIn("64 of 96 calibration images fit into --memory", few.stderr)
        for flags, says in ((("--set", "views.learning_rate=1e-3"), "views.learning_rate belongs to --views"), (("--set", "distill.learning_rate=1e-5"), "distill.learning_rate belongs"), (("--set", "views.scale_min=0.5"), "views.scale_min"),
                            (("--no-absorb", "--views", "1"), "--views")):
            self.refuse(*compress[:6], *flags, "-o", "no.safetensors", says=says, expect=2)

    def test_a_compressed_model_is_compressed_again(self):
        self.run_vitrim("compress", "model.safetensors", *CALIB, "--remove-attention", "0", "-o", "once.safetensors", "--quiet")
        self.refuse("compress", "once.safetensors", *CALIB, "--remove-attention", "0", "-o", "twice.safetensors")
        out = self.json_of("compress", "once.safetensors", *CALIB, "--remove", "1", "-o", "twice.safetensors")
        self.assertNotIn(0, out["removed"])

    def test_report(self):
        self.run_vitrim("analyze", "model.safetensors", *CALIB, "--remove", "1", "-o", "scores.json", "--quiet")
        out = self.json_of("report", "scores.json", "-o", "page.html")
        self.assertIsInstance(out, dict)
        self.assertGreater(len(self.read("page.html")), 10000)

    def test_the_same_seed_gives_the_same_scores(self):
        runs = [self.json_of("analyze", "model.safetensors", *CALIB, "--remove", "1", "--seed", "7", "--threads", "1") for _ in range(2)]
        for run in runs:
            run.pop("manifest", None)
            run.pop("seconds", None)
        self.assertEqual(*runs)

    def test_manifest(self):
        manifest = self.json_of("eval", "model.safetensors", "--data", "synthetic:test:10", "--seed", "3")["manifest"]
        self.assertIn("vitrim eval model.safetensors --data synthetic:test:10", manifest["command"])
        self.assertEqual(manifest["seed"], 3)

    def test_classes_file_gives_the_rank(self):
        for name in ("bee", "ant"):
            os.makedirs(self.path("images", name))
            for i in range(2):
                write_png(self.path("images", name, f"{i}.png"), seed=i)
        self.write("classes.txt", b"zebra\nbee\nant\n" + self.OTHERS)
        out = self.json_of("eval", "model.safetensors", "--data", "images", "--classes", "classes.txt")
        self.assertEqual(out["images"], 4)
        self.write("without.txt", b"zebra\nbee\nyak\n" + self.OTHERS)
        self.refuse("eval", "model.safetensors", "--data", "images", "--classes", "without.txt", says="ant")
        self.refuse("eval", "model.safetensors", "--data", "images", says=("10 classes", "--classes"))


class Progress(Case):
    def test_quiet_prints_nothing(self):
        for arguments in (("inspect", "model.safetensors"), ("eval", "model.safetensors", "--data", "synthetic:test:10"),
                          ("analyze", "model.safetensors", *CALIB, "--remove", "1", "-o", "scores.json"),
                          ("compress", "model.safetensors", *CALIB, "--remove", "1", "-o", "out.safetensors", "--report", "page.html"),
                          ("report", "scores.json", "-o", "page.html")):
            with self.subTest(arguments[0]):
                done = self.run_vitrim(*arguments, "--quiet")
                self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_quiet_still_writes_json(self):
        self.assertEqual(self.run_vitrim("inspect", "model.safetensors", "--quiet", "--json", "-").stdout[:1], "{")

    def test_plain_lines_in_a_log_file(self):
        done = self.run_vitrim("eval", "model.safetensors", "--data", "synthetic:test:10")
        self.assertIn("images", done.stderr)
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("\x1b", done.stderr)

    def test_a_terminal_gets_a_live_line(self):
        master, slave = pty.openpty()
        with subprocess.Popen([PROGRAM, "eval", "model.safetensors", "--data", "synthetic:test:4000"], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=slave) as child:
            os.close(slave)
            seen = b""
            while True:
                try:
                    if not select.select([master], [], [], 120)[0]:
                        child.kill()
                        self.fail("no progress for two minutes")
                    part = os.read(master, 65536)
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
                seen += part
            self.assertIn(b"top-1", child.stdout.read())
        os.close(master)
        self.assertEqual(child.returncode, 0)
        self.assertIn(b"a second", seen, "rate")
        self.assertIn(b" left", seen, "time left")
        self.assertIn(b"\r\x1b[K", seen, "the line is wiped before words follow")


class BadInput(Case):
    def compress(self, *arguments, **more):
        return self.refuse("compress", *arguments, "-o", "out.safetensors", **more)

    def test_model_paths(self):
        for command in (("inspect",), ("eval", "--data", "synthetic:test:10"), ("analyze", *CALIB)):
            with self.subTest(command[0]):
                self.refuse(command[0], "modle.safetensors", *command[1:], says=("modle.safetensors", "model.safetensors"))
                os.makedirs(self.path("folder"), exist_ok=True)
                self.refuse(command[0], "folder", *command[1:], says="folder")
        self.refuse("inspect", "deit_bass_patch16_224", says="deit_base_patch16_224")

    def test_model_files(self):
        whole = self.read("model.safetensors")
        for name, content in (("empty", b""), ("text", b"a text file, no checkpoint\n" * 9), ("short", whole[:-100]), ("header", whole[:50]),
                              ("huge", struct.pack("<Q", 1 << 60) + whole[8:])):
            with self.subTest(name):
                self.write(name + ".safetensors", content)
                self.refuse("inspect", name + ".safetensors", says=name + ".safetensors")
        self.write("names.safetensors", whole.replace(b"blocks.2.mlp.fc1.bias", b"blocks.2.mlp.fc1.bios"))
        self.refuse("eval", "names.safetensors", "--data", "synthetic:test:10", says=("blocks.2.mlp.fc1.bias", "blocks.2.mlp.fc1.bios"))

    def test_weights_that_are_not_finite(self):
        whole = bytearray(self.read("model.safetensors"))
        whole[-4:] = struct.pack("<f", float("nan"))
        self.write("nan.safetensors", bytes(whole))
        self.refuse("eval", "nan.safetensors", "--data", "synthetic:test:10", says=("nan.safetensors", "head.bias"))

    def test_other_number_of_classes(self):
        self.refuse("eval", "model.safetensors", "--data", "synthetic:test:10", "--num-classes", "100", says="--num-classes")

    def test_data_paths(self):
        os.mkdir(self.path("empty"))
        self.write("file.txt", b"x")
        for source in ("missing", "empty", "file.txt", "synthetic:nonsense", "synthetic:test:none", "synthetic:test:0"):
            with self.subTest(source):
                self.refuse("eval", "model.safetensors", "--data", source, says=source.split(":")[0])
                self.compress("model.safetensors", "--calib", source, "--remove", "1", says=source.split(":")[0])

    def test_evaluation_images_are_looked_at_before_the_work(self):
        begun = time.monotonic()
        self.compress("model.safetensors", "--calib", "synthetic:calib:20000", "--remove", "1", "--eval", "missing", says="missing")
        self.assertLess(time.monotonic() - begun, 20)

    def test_corrupt_images(self):
        os.makedirs(self.path("images", "a"))
        for i in range(9):
            write_png(self.path("images", "a", f"{i}.png"), seed=i)
        self.write("images/a/broken.png", self.read("images/a/0.png")[:60])
        self.write("classes.txt", b"a\nb\nc\n" + self.OTHERS)
        evaluate = ("eval", "model.safetensors", "--data", "images", "--classes", "classes.txt")
        self.refuse(*evaluate, says=("broken.png", "--max-corrupt"))
        self.write("out.safetensors", b"the old one")
        self.refuse("compress", "model.safetensors", "--calib", "images", "--remove", "1", "-o", "out.safetensors", says="broken.png")
        self.assertEqual(self.read("out.safetensors"), b"the old one")
        done = self.run_vitrim(*evaluate, "--max-corrupt", "1", "--json", "-")
        self.assertEqual(json.loads(done.stdout)["images"], 9)
        self.assertIn("broken.png", done.stderr)

    def test_layers_that_do_not_exist(self):
        for flags in (("--remove", str(DEPTH + 1)), ("--remove", "-1"), ("--remove", "120%"), ("--remove", "few"), ("--remove-attention", str(DEPTH)),
                      ("--remove-attention", "1,1"), ("--remove-attention", "0,x")):
            with self.subTest(flags):
                self.compress("model.safetensors", *CALIB, *flags, says=flags[0])
        self.refuse("inspect", "model.safetensors", "--remove-attention", "9", "--json", "-", says="9")

    def test_places_that_cannot_be_written(self):
        os.mkdir(self.path("folder"))
        self.write("file", b"")
        for place in ("folder", "missing/out", "file/out", "/proc/out"):
            with self.subTest(place):
                begun = time.monotonic()
                if place != "folder":  # an existing folder is filled
                    self.refuse("compress", "model.safetensors", "--calib", "synthetic:calib:20000", "--remove", "1", "-o", place, says=place)
                self.refuse("compress", "model.safetensors", "--calib", "synthetic:calib:20000", "--remove", "1", "-o", "out.safetensors",
                            "--report", place, says=place)
                self.refuse("analyze", "model.safetensors", "--calib", "synthetic:calib:20000", "--json", place, says=place)
                self.assertLess(time.monotonic() - begun, 30, "found out before the work")

    def test_full_disk(self):
        message = self.refuse("analyze", "model.safetensors", *CALIB, "-o", "/dev/full", says=("/dev/full", "no space"))
        self.assertNotIn("errno", message)

    def test_full_disk_leaves_the_old_output(self):
        self.write("out.safetensors", b"the old one")
        # A limit on file sizes stops a write in the middle as a full disk does, once its signal is ignored (as python leaves it).
        done = subprocess.run([PROGRAM, "compress", "model.safetensors", *CALIB, "--remove", "1", "-o", "out.safetensors"], cwd=self.folder,
                              capture_output=True, text=True, timeout=300, check=False, restore_signals=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("out.safetensors", done.stderr.strip().splitlines()[-1])
        self.assertEqual(self.read("out.safetensors"), b"the old one")
        self.assertEqual(self.files(), ["model.safetensors", "out.safetensors"])

    def test_report_of_what_is_no_result(self):
        self.write("other.json", b'{"a": 1}')
        self.write("broken.json", b'{"a": ')
        for name in ("other.json", "broken.json", "missing.json", "."):
            with self.subTest(name):
                self.refuse("report", name, "-o", "page.html", says=name)


class Stopped(Case):
    LONG = ("compress", "model.safetensors", "--calib", "synthetic:calib:2000", "--remove", "2", "--epochs", "100", "-o", "out.safetensors",
            "--report", "page.html", "--json", "result.json")

    def stop(self, number, after):
        """Starts a long run, sends `number` once standard error holds `after`, and returns (exit status, standard error)."""
        self.write("out.safetensors", b"the old one")
        with subprocess.Popen([PROGRAM, *self.LONG], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            seen, sent, deadline = b"", None, time.monotonic() + 300
            while True:
                self.assertLess(time.monotonic(), deadline, seen.decode())
                if select.select([child.stderr], [], [], 1)[0]:
                    part = os.read(child.stderr.fileno(), 65536)
                    if not part:
                        break
                    seen += part
                if sent is None and after in seen:
                    time.sleep(0.5)
                    sent = time.monotonic()
                    child.send_signal(number)
            status = child.wait()
        self.assertIsNotNone(sent, seen.decode())
        self.assertLess(time.monotonic() - sent, 30, "stops soon")
        return status, seen.decode()

    def check_left(self):
        self.assertEqual(self.files(), ["model.safetensors", "out.safetensors"])
        self.assertEqual(self.read("out.safetensors"), b"the old one")

    def test_interrupted_in_the_analysis(self):
        status, _ = self.stop(signal.SIGINT, b"decode")
        self.assertEqual(status, 130)
        self.check_left()

    def test_interrupted_in_the_fit(self):
        status, words = self.stop(signal.SIGINT, b"removing")
        self.assertEqual(status, 130)
        self.assertEqual(words.strip().splitlines()[-1], "vitrim: stopped")
        self.check_left()

    def test_killed(self):
        self.assertEqual(self.stop(signal.SIGKILL, b"removing")[0], -signal.SIGKILL)
        self.assertEqual(self.read("out.safetensors"), b"the old one")


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("program")
