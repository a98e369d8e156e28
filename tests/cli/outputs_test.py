#!/usr/bin/env python3
"""The outputs of the program: nothing is lost silently, results are complete or absent, and names from files can't control a terminal.

usage: outputs_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import os
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case, write_png  # noqa: E402

COMPRESS = ("compress", "model.safetensors", *CALIB, "--remove-attention", "0", "--no-absorb", "-o", "out.safetensors")
EVAL = ("eval", "model.safetensors", "--data", "synthetic:test:10")
# Every command that writes a checkpoint or a page, with few images and hardly any training.
WRITING = (
    COMPRESS,
    ("prune", "model.safetensors", "--few-shot", "--data", "synthetic:calib:32", "--images", "32", "--attention-macs", "80%", "--channels-by", "magnitude", "--no-absorb",
     "-o", "out.safetensors"),
    ("merge", "model.safetensors", "--r", "2", "--pays-at", "0", "-o", "out.safetensors"),
    ("quantize", "model.safetensors", "-o", "out.safetensors"),
    ("analyze", "model.safetensors", *CALIB, "--remove", "1", "--criterion", "te", "-o", "scores.json"),
    ("train", "--init", "model.safetensors", "--data", "synthetic:train:32", "--recipe", "plain", "--epochs", "1", "--batch-size", "16", "-o", "out.safetensors"),
    ("dilute", "model.safetensors", "--data", "synthetic:train:32", "--recipe", "plain", "--epochs", "1", "--batch-size", "16", "--remove-attention", "0", "-o", "out.safetensors"),
    ("export", "model.safetensors", "-o", "out.onnx"),
    ("export", "model.safetensors", "--longest-file", "1000", "-o", "out.onnx"),
    ("export", "model.safetensors", "-o", "folded.safetensors"),
    ("inspect", "model.safetensors", "--write-spec", "spec.json"),
    ("bench", "model.safetensors", "--batch", "1", "--rounds", "1", "--warm-up", "0", "--peak-seconds", "0", "--report", "page.html"),
)


class StandardOutput(Case):
    def shell(self, command, expect=1):
        """`command` in a shell, with the program as $VITRIM; its standard error."""
        done = subprocess.run(["sh", "-c", command], cwd=self.folder, env={**os.environ, "VITRIM": PROGRAM}, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, expect, f"{command}\n{done.stderr}")
        return done.stderr

    def test_a_full_device(self):
        for words in ("inspect model.safetensors --json -", "inspect model.safetensors", "inspect --help", "--help", "--version", "inspect --list",
                      " ".join(EVAL), " ".join(EVAL) + " --json -"):
            with self.subTest(words):
                self.assertIn("vitrim: cannot write to standard output: no space left", self.shell(f'"$VITRIM" {words} > /dev/full'))

    def test_closed(self):
        for words in ("inspect model.safetensors --json -", "inspect model.safetensors", "--version"):
            with self.subTest(words):
                self.assertIn("vitrim: cannot write to standard output: it is closed", self.shell(f'"$VITRIM" {words} >&-'))
        # A command without output loses nothing; and no file takes the place of the closed one.
        self.shell('"$VITRIM" inspect model.safetensors --quiet --write-spec spec.json >&-', expect=0)
        self.shell('"$VITRIM" inspect model.safetensors --quiet --json j.json <&- >&- 2>&-', expect=0)
        json.loads(self.read("j.json"))
        json.loads(self.read("spec.json"))

    def test_standard_error_does_not_matter(self):
        self.shell('"$VITRIM" ' + " ".join(EVAL) + " 2> /dev/full > out.txt", expect=0)
        self.assertIn(b"top-1", self.read("out.txt"))

    def test_a_checkpoint_does_not_come_without_its_result(self):
        before = self.files()
        for command in WRITING:
            with self.subTest(command):
                self.shell('"$VITRIM" ' + " ".join(command) + " --json - > /dev/full")
                left = [name for name in self.files() if not name.endswith((".state", ".jsonl"))]  # the run's own, which --resume needs
                self.assertEqual(left, before)
                for name in set(self.files()) - set(before):
                    os.remove(self.path(name))

    def test_json_and_report_that_fail(self):
        before = self.files()
        for flags in (("--json", "/dev/full"), ("--report", "/dev/full")):
            with self.subTest(flags):
                self.refuse(*COMPRESS, *flags, says="/dev/full")
                self.assertEqual(self.files(), before)
        self.write("out.safetensors", b"the old one")
        self.refuse(*COMPRESS, "--json", "/dev/full", says="/dev/full")
        self.assertEqual(self.read("out.safetensors"), b"the old one")

    def test_all_of_a_result_comes(self):
        self.run_vitrim(*COMPRESS, "--json", "r.json", "--report", "page.html")
        self.assertEqual(self.files(), ["model.safetensors", "out.safetensors", "page.html", "r.json"])
        self.run_vitrim("export", "model.safetensors", "--longest-file", "1000", "-o", "m.onnx", "--json", "e.json")
        for entry in json.loads(self.read("e.json"))["files"]:
            self.assertEqual(os.path.getsize(self.path(entry["path"])), entry["bytes"])
        self.run_vitrim("export", "model.safetensors", "-o", "f.safetensors", "--json", "f.json")
        entry, = json.loads(self.read("f.json"))["files"]
        self.assertEqual(os.path.getsize(self.path("f.safetensors")), entry["bytes"])


class Values(Case):
    """Values that the parser accepts but nobody intends."""

    def test_empty(self):
        """An unset variable of a shell."""
        for words in (("quantize", "model.safetensors", "-o", ""), (*EVAL, "--json", ""), (*EVAL, "--mean", ""), ("eval", "model.safetensors", "--data", ""), ("inspect", "")):
            with self.subTest(words):
                self.refuse(*words, says="the value is empty", expect=2)

    def test_numbers(self):
        for flag, value, says in (("--mean", "nan", "--mean: nan is not a finite number"), ("--mean", "0.5,inf,0.5", "inf is not a finite number"), ("--norm-eps", "nan", "not a finite number"),
                                  ("--norm-eps", "1e400", "not a finite number"), ("--num-heads", "0", "--num-heads: 0 is not positive"), ("--max-corrupt", "-1", "--max-corrupt: -1 is negative"),
                                  ("--image-size", "-5", "--image-size: -5 is ")):
            with self.subTest((flag, value)):
                self.refuse(*EVAL, flag, value, says=says, expect=2)

    def test_a_model_is_not_written_over_the_one_that_is_read(self):
        os.mkdir(self.path("folder"))
        os.rename(self.path("model.safetensors"), self.path("folder/model.safetensors"))
        before = self.read("folder/model.safetensors")
        for model, output in (("folder/model.safetensors", "folder/model.safetensors"), ("folder", "folder/model.safetensors"), ("folder", "folder"), ("folder/model.safetensors", "folder/")):
            with self.subTest((model, output)):
                self.refuse("quantize", model, "-o", output, says=f"the model {model}, which the command reads (MODEL)", expect=2)
        self.assertEqual(self.read("folder/model.safetensors"), before)
        self.run_vitrim("export", "folder", "-o", "folder/model.onnx")  # a graph may lie beside its checkpoint
        self.run_vitrim("quantize", "folder", "-o", "q.safetensors")

    def test_a_readme_that_vitrim_did_not_write_stays(self):
        os.mkdir(self.path("work"))
        self.write("work/README.md", b"# my project\n")
        self.refuse("quantize", "model.safetensors", "-o", "work", says="work/README.md would be replaced by a model card")
        self.assertEqual(self.read("work/README.md"), b"# my project\n")

    def test_a_result_replaces_nothing_that_is_read(self):
        os.mkdir(self.path("images"))
        write_png(self.path("images", "a.png"))
        os.symlink("model.safetensors", self.path("link"))
        for flag, result, name in (("--json", "model.safetensors", "MODEL"), ("--json", "link", "MODEL"), ("--json", "images/a.png", "--calib"), ("--report", "model.safetensors", "MODEL")):
            with self.subTest((flag, result)):
                before = self.read("model.safetensors"), self.read("images/a.png")
                self.refuse("compress", "model.safetensors", "--calib", "images", "--remove-attention", "0", "--no-absorb", "-o", "out.safetensors", flag, result,
                            says=(f"{flag} would replace {result}, which the command reads ({name})"), expect=2)
                self.assertEqual((self.read("model.safetensors"), self.read("images/a.png")), before)
        self.refuse("analyze", "model.safetensors", *CALIB, "--remove", "1", "-o", "model.safetensors", says="--output would replace model.safetensors", expect=2)
        self.refuse("inspect", "model.safetensors", "--write-spec", "model.safetensors", says="--write-spec would replace model.safetensors", expect=2)
        self.write("r.json", b"{}")
        self.refuse("report", "r.json", "-o", "r.json", says="--output would replace r.json", expect=2)
        self.write("images/r.json", b"{}")  # an older result beside the images
        self.run_vitrim("inspect", "model.safetensors", "--json", "images/r.json", "--quiet")


class Names(Case):
    def test_as_long_as_the_file_system_allows(self):
        longest = "n" * (255 - len(".safetensors")) + ".safetensors"
        self.run_vitrim(*COMPRESS[:-1], longest)
        self.assertIn(longest, self.files())
        self.refuse(*COMPRESS[:-1], "n" + longest, says="name is too long")

    def test_no_escape_sequence_reaches_a_terminal(self):
        evil = "evil\x1b]0;owned\x07\x1b[31m\x9b\u202e"
        shown = "evil?]0;owned??[31m"
        header = json.dumps({evil: {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}).encode()
        self.write("bad.safetensors", struct.pack("<Q", len(header)) + header + bytes(8))
        self.write(evil + ".json", b"{")
        done = self.run_vitrim("inspect", "bad.safetensors", expect=1)
        self.assertIn(shown, done.stderr)
        for arguments in (("inspect", "bad.safetensors"), ("inspect", evil + ".safetensors"), ("inspect", "--" + evil), (evil,), ("report", evil + ".json", "-o", "p.html")):
            done = subprocess.run([PROGRAM, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
            self.assertNotEqual(done.returncode, 0)
            text = (done.stdout + done.stderr).decode("utf-8")  # and it is UTF-8
            self.assertIn("evil", text)
            for character in "\x1b\x07\x9b\u202e":
                self.assertNotIn(character, text, arguments)
        # Valid text is shown unchanged, including accents.
        os.rename(self.path("model.safetensors"), self.path("modèle.safetensors"))
        self.assertIn("modèle.safetensors", self.run_vitrim("eval", "modèle.safetensors", *EVAL[2:]).stdout)

    def test_only_regular_files_are_read(self):
        os.mkfifo(self.path("pipe"))
        self.write("spec.json", b"")
        for place in ("pipe", "/dev/zero"):
            for arguments in (("inspect", place), ("report", place, "-o", "page.html"), ("train", "--spec", place, "--data", "synthetic:train:32", "-o", "t.safetensors"),
                              ("train", "--init", "model.safetensors", "--recipe", place if "/" in place else "./" + place, "--data", "synthetic:train:32", "-o", "t.safetensors"),
                              ("plan", "model.safetensors", "--budget", "macs<=80%", *CALIB, "--latency-table", place)):
                with self.subTest(arguments):
                    done = subprocess.run([PROGRAM, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn(place, done.stderr)
                    self.assertIn("pipe or", done.stderr)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("outputs_program")
