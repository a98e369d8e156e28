#!/usr/bin/env python3
"""Files that are made to break a reader: the program must soon end with one sentence that names the file.

usage: hostile_test.py [CASES...], with the program in VITRIM_BINARY.
"""

import json
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cases  # noqa: E402
from program_case import PROGRAM, Case  # noqa: E402

DEPTH = 100_000
DEEP = b"[" * DEPTH + b"]" * DEPTH
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus")


def with_metadata(data, **texts):
    """The safetensors file `data` with `texts` among its metadata."""
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header["__metadata__"].update(texts)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length:]


class DeepJson(Case):
    """210 KB of brackets once overflowed the stack."""

    def deep(self, place, *arguments):
        self.refuse(*arguments, says=(place, "nested more than 100 deep"))

    def test_wherever_json_is_read(self):
        model = self.read("model.safetensors")
        self.write("spec.safetensors", with_metadata(model, **{"vitrim.spec": DEEP.decode()}))
        self.deep("spec.safetensors", "inspect", "spec.safetensors")
        self.write("state", with_metadata(model, **{"vitrim.training": DEEP.decode()}))
        self.deep("state", "train", "--init", "model.safetensors", "--data", "synthetic:train:32", "--recipe", "plain", "--batch-size", "16", "--state", "state", "--resume", "-o", "t.safetensors")
        os.remove(self.path("state"))
        self.write("deep.json", b'{"kind": ' + DEEP + b"}")
        self.deep("deep.json", "report", "deep.json", "-o", "page.html")
        self.deep("deep.json", "train", "--spec", "deep.json", "--data", "synthetic:train:32", "--batch-size", "16", "-o", "t.safetensors")
        self.write("log.jsonl", self.log() + DEEP + b"\n")
        self.deep("log.jsonl", "report", "log.jsonl", "-o", "page.html")
        os.mkdir(self.path("index"))
        self.write("index/model.safetensors.index.json", b'{"weight_map": ' + DEEP + b"}")
        self.deep("model.safetensors.index.json", "inspect", "index")
        os.mkdir(self.path("beside"))
        shutil.copy(self.path("model.safetensors"), self.path("beside"))
        self.write("beside/config.json", b'{"architecture": ' + DEEP + b"}")
        self.deep("config.json", "inspect", "beside")

    def log(self):
        """The first line of a run's log."""
        self.run_vitrim("train", "--init", "model.safetensors", "--data", "synthetic:train:32", "--recipe", "plain", "--epochs", "1", "--batch-size", "16", "-o", "t.safetensors")
        first = self.read("t.safetensors.jsonl").split(b"\n")[0] + b"\n"
        for name in ("t.safetensors", "t.safetensors.jsonl", "t.safetensors.state"):
            os.remove(self.path(name))
        return first


class Corpus(Case):
    def test_every_file_is_refused_by_name(self):
        for kind, arguments in (("checkpoint", ("inspect",)), ("recipe", ("train", "--init", "model.safetensors", "--data", "synthetic:train:32", "--batch-size", "16", "-o", "t.safetensors", "--recipe")),
                                ("json", ("train", "--data", "synthetic:train:32", "--batch-size", "16", "-o", "t.safetensors", "--spec")), ("archive", ("eval", "model.safetensors", "--data"))):
            names = sorted(os.listdir(os.path.join(CORPUS, kind)))
            self.assertTrue(names)
            for name in names:
                with self.subTest(name):
                    self.refuse(*arguments, os.path.join(CORPUS, kind, name), says=name)


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("hostile_program")
