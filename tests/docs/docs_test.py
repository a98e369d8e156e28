#!/usr/bin/env python3
"""Checks the documents: their commands run, their links are valid, and the command pages equal the program's help.

The info string of a fence says what its block is. `sh` blocks run here, in the order of the page, in one folder per page with the files of
make_files() below. `sh full` and `python full` (which need real data, or the libraries that read vitrim's files) run in ./check --full, which passes
--full. `python` blocks run if VITRIM_PEERS_PYTHON names a python with those libraries. All other blocks are only shown.

usage: docs_test.py [--full] [CASES...], with the program in VITRIM_BINARY.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
import cases  # noqa: E402
from fenced import blocks  # noqa: E402
from program_case import PROGRAM, write_png  # noqa: E402

FULL = "--full" in sys.argv
SHOWN = {"text", "cpp", "py", "cmake", "json", "toml", "c", "mermaid"}
RUN = {"sh": "sh", "python": "python"}
SHARED = os.environ.get("VITRIM_SHARED", os.path.join(ROOT, "..", "shared"))
PEERS = os.environ.get("VITRIM_PEERS_PYTHON", "")
CLASSES = 10  # of the embedded model


def documents():
    return sorted([os.path.join(ROOT, "README.md")] + glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True))


def make_images(folder, each, seed):
    for rank in range(CLASSES):
        os.makedirs(f"{folder}/class{rank}")
        for i in range(each):
            write_png(f"{folder}/class{rank}/{i}.png", side=64, seed=seed + 10 * rank + i)


def make_files(folder):
    """The files that the documents' commands use. model.safetensors is the embedded model; the images are noise in ten classes."""
    os.symlink(os.path.join(ROOT, "models"), f"{folder}/models")
    for name in ("model", "vit"):
        shutil.copy(os.path.join(ROOT, "models", "synthetic_vit.safetensors"), f"{folder}/{name}.safetensors")
    write_png(f"{folder}/photo.png", side=80)
    # Different images in every folder, and as many to train on as a batch of 64 needs.
    for at, (name, each) in enumerate({"calibration_images": 4, "labelled_images": 4, "train": 7, "val": 4}.items()):
        make_images(f"{folder}/{name}", each, seed=1000 * at)
    if FULL:
        data = os.path.join(SHARED, "data")
        os.symlink(os.path.join(data, "vit_tiny_imagenet1k", "model.safetensors"), f"{folder}/vit_tiny.safetensors")
        for name, real in (("calib1000", "imagenet_calib1000"), ("val700", "imagenet_val700")):
            os.symlink(os.path.join(data, real), f"{folder}/{name}")


class Documents(unittest.TestCase):
    longMessage = True

    def run_page(self, path, kinds):
        text = open(path, encoding="utf-8").read()
        chosen = [(number, info, body) for number, info, body in blocks(text) if info in kinds]
        if not chosen or os.path.basename(path) == "python.md":  # python/tests runs that page's
            return
        with tempfile.TemporaryDirectory() as folder:
            make_files(folder)
            built = os.path.dirname(PROGRAM)
            environment = dict(os.environ, PATH=built + os.pathsep + os.environ["PATH"], PYTHONPATH=os.path.join(built, "python"))
            for number, info, body in chosen:
                shell = ["bash", "-euo", "pipefail", "-c", body] if info.startswith("sh") else [PEERS, "-c", body]
                done = subprocess.run(shell, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, f"{os.path.relpath(path, ROOT)}:{number}\n{body}\n{done.stderr[-2000:]}")

    def test_commands_run(self):
        if FULL:
            self.skipTest("run by ./check; here those of ./check --full")
        for path in documents():
            with self.subTest(os.path.relpath(path, ROOT)):
                self.run_page(path, {"sh", "python"} if PEERS else {"sh"})

    def test_commands_of_the_full_check_run(self):
        if not FULL:
            self.skipTest("run by ./check --full")
        if not os.path.isdir(os.path.join(SHARED, "data")):
            self.skipTest("no real data in " + SHARED)
        for path in documents():
            with self.subTest(os.path.relpath(path, ROOT)):
                self.run_page(path, {"sh", "sh full", "python", "python full"} if any(
                    info.endswith(" full") for _, info, _ in blocks(open(path, encoding="utf-8").read())) else set())

    def test_the_readme_is_short(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            self.assertLessEqual(len(file.readlines()), 120)

    def test_every_block_says_what_it_is(self):
        for path in documents():
            for number, info, _ in blocks(open(path, encoding="utf-8").read()):
                words = info.split()
                known = bool(words) and (info in SHOWN or (words[0] in RUN and words[1:] in ([], ["full"])))
                self.assertTrue(known, f"{os.path.relpath(path, ROOT)}:{number}: '{info}' is no kind of block")

    def test_commands_are_the_programs(self):
        # A command that is only shown must at least exist, with its flags.
        known = {}
        for path in documents():
            for number, info, body in blocks(open(path, encoding="utf-8").read()):
                for name, rest in re.findall(r"\bvitrim ([a-z]+) ((?:[^\n|;]|\\\n)*)", body) if info.startswith(("sh", "text")) else []:
                    if name not in known:
                        done = subprocess.run([PROGRAM, name, "--help-all"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
                        self.assertEqual(done.returncode, 0, f"{path}:{number}: vitrim {name}")
                        known[name] = set(re.findall(r"--[a-z0-9-]+", done.stdout))
                    for flag in re.findall(r"(?<!\S)--[a-z0-9-]+", rest):
                        self.assertIn(flag, known[name], f"{os.path.relpath(path, ROOT)}:{number}: vitrim {name}")

    def test_command_pages_are_the_programs_help(self):
        script = os.path.join(ROOT, "scripts", "command_pages.py")
        done = subprocess.run([sys.executable, script, "--check", "--binary", PROGRAM], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        # What is typed is a name, at most a type, dots where it repeats, and REQUIRED.
        for path in glob.glob(os.path.join(ROOT, "docs", "commands", "*.md")):
            for typed in re.findall(r"^\| `(-[^`]*)` \|", open(path, encoding="utf-8").read(), re.MULTILINE):
                self.assertLessEqual(len(typed.split()), 4, f"{os.path.basename(path)}: {typed}")

    def test_quoted_errors_are_the_programs(self):
        # First column of docs/troubleshooting.md: every piece between the dots is in the sources.
        sources = "".join(open(path, encoding="utf-8").read() for folder in ("src", "apps", "python") for path in glob.glob(os.path.join(ROOT, folder, "**", "*.cpp"), recursive=True))
        text = open(os.path.join(ROOT, "docs", "troubleshooting.md"), encoding="utf-8").read()
        quotes = [quote for cell in re.findall(r"^\|([^|]*)\|", text, re.MULTILINE) for quote in re.findall(r"`([^`]*)`", cell)]
        self.assertGreater(len(quotes), 15)
        for quote in quotes:
            for piece in quote.split("…"):
                self.assertTrue(piece.strip() in sources, f"no error says: {quote}")

    def test_links_lead_somewhere(self):
        for path in documents() + [os.path.join(ROOT, name) for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")]:
            text = re.sub(r"^```.*?^```", "", open(path, encoding="utf-8").read(), flags=re.DOTALL | re.MULTILINE)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if not re.match(r"[a-z]+:|#", target):
                    place = os.path.join(os.path.dirname(path), target.split("#")[0])
                    self.assertTrue(os.path.exists(place), f"{os.path.relpath(path, ROOT)}: {target}")

    def test_blocks_are_found(self):
        text = "a\n```sh\nvitrim x\n```\nb\n```\ny\n```\n```python full\nz\n```\n"
        self.assertEqual(blocks(text), [(2, "sh", "vitrim x"), (6, "", "y"), (9, "python full", "z")])


if __name__ == "__main__":
    if FULL:
        sys.argv.remove("--full")
    cases.main("documents")
