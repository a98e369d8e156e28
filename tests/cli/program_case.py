"""Code that the tests of the program share: a small model, images, and running the program in a separate folder for each case."""

import array
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

PROGRAM = os.path.abspath(os.environ.get("VITRIM_BINARY", "build/release/vitrim"))
DEPTH = 4
CALIB = ("--calib", "synthetic:calib:32")


def write_model(path, width=64, image=32, patch=8, classes=10, channels=3, metadata=None, without=()):
    """A small ViT with random weights and timm's names, whose metadata states what they do not; the blocks `without` have no attention."""
    draw = random.Random(1)
    tensors = {}

    def tensor(name, *shape, value=None):
        count = 1
        for size in shape:
            count *= size
        values = (draw.gauss(0, 0.05) if value is None else value for _ in range(count))
        tensors[name] = (shape, array.array("f", values).tobytes())

    def norm(name):
        tensor(name + ".weight", width, value=1.0)
        tensor(name + ".bias", width, value=0.0)

    def linear(name, outputs, inputs):
        tensor(name + ".weight", outputs, inputs)
        tensor(name + ".bias", outputs)

    tensor("cls_token", 1, 1, width)
    tensor("pos_embed", 1, 1 + (image // patch) ** 2, width)
    tensor("patch_embed.proj.weight", width, channels, patch, patch)
    tensor("patch_embed.proj.bias", width)
    for i in range(DEPTH):
        if i not in without:
            norm(f"blocks.{i}.norm1")
            linear(f"blocks.{i}.attn.qkv", 3 * width, width)
            linear(f"blocks.{i}.attn.proj", width, width)
        norm(f"blocks.{i}.norm2")
        linear(f"blocks.{i}.mlp.fc1", 4 * width, width)
        linear(f"blocks.{i}.mlp.fc2", width, 4 * width)
    norm("norm")
    linear("head", classes, width)
    said = {"mean": "0.5", "std": "0.5", "resize": str(image), "interpolation": "bicubic", "num_heads": str(width // 64), "norm_eps": "1e-6", "activation": "gelu",
            "image_size": str(image)}
    header, offset = {"__metadata__": said if metadata is None else metadata}, 0
    for name, (shape, values) in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + len(values)]}
        offset += len(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            file.write(values)


def write_rows(path, rows, channels):
    """A PNG of rows of bytes: one channel (grey) or three."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", len(rows[0]) // channels, len(rows), 8, {1: 0, 3: 2}[channels], 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))) + chunk(b"IEND", b""))


def write_png(path, side=32, seed=0):
    draw = random.Random(seed)
    write_rows(path, [[draw.randrange(256) for _ in range(3 * side)] for _ in range(side)], 3)


class Case(unittest.TestCase):
    """A fresh folder with `model.safetensors` for every case."""

    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="vitrim-cli-")
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        write_model(os.path.join(cls.shared, "model.safetensors"))

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vitrim-cli-")
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copy(os.path.join(self.shared, "model.safetensors"), self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def run_vitrim(self, *arguments, expect=0, timeout=300):
        """Runs in the case's folder, with standard error not a terminal, and checks the exit status."""
        done = subprocess.run([PROGRAM, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout, text=True, errors="replace", check=False)
        self.assertEqual(done.returncode, expect, f"vitrim {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
        return done

    def write_staged(self, family, **fields):
        """spec.json, a ModelSpec of two stages, two blocks each, on 32 px: maps of 8 x 8 and 4 x 4 tokens."""
        self.run_vitrim("inspect", "flatten_pvt_v2_b0", "--image-size", "32", "--num-classes", "10", "--write-spec", "spec.json")
        spec = json.loads(self.read("spec.json"))
        pvt = family.startswith("pvt")
        kinds = {"swin": ("window", "window"), "flatten_swin": ("focused_linear", "window"), "pvt": ("softmax", "focused_linear"),
                 "pvt_v2": ("focused_linear", "softmax"), "cswin": ("cross_focused_linear", "cross_shaped_window")}[family]
        spec.update(family=family, name="", embed_dim=32, stages=[{"depth": 2, "embed_dim": 32}, {"depth": 2, "embed_dim": 64}], final_norm=family != "pvt", **fields)
        spec["preprocess"].update(resize=32, crop=32)
        spec["blocks"] = []
        for i in range(4):
            dim, kind = (32, kinds[0]) if i < 2 else (64, kinds[1])
            block = {"attention": kind, "embed_dim": dim, "num_heads": dim // 16, "qk_dim": 16, "v_dim": 16, "mlp_dim": 2 * dim, "stream_gain": 1.0}
            if pvt:
                block["sr_ratio"] = 2 if i < 2 else 1
            else:
                block["window"] = 2 if family == "cswin" else 4
                if not family == "cswin" and i == 1:
                    block["shift"] = 2
            spec["blocks"].append(block)
        self.write("spec.json", json.dumps(spec).encode())

    def refuse(self, *arguments, says=(), expect=1):
        """A refused run: nothing on standard output; the last line on standard error is the one sentence, and it contains each of `says`."""
        before = set(self.files())
        done = self.run_vitrim(*arguments, expect=expect)
        self.assertEqual(done.stdout, "", arguments)
        lines = done.stderr.strip().splitlines()
        messages = [line for line in lines if line.startswith("vitrim: ")]
        self.assertEqual(len(messages), 1, done.stderr)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, messages[0], arguments)
        self.assertNotIn("::", messages[0], "a sentence for people names no function")
        self.assertEqual(set(self.files()), before, "no file comes or goes in a run that fails")
        return messages[0]

    OTHERS = b"".join(b"class%d\n" % i for i in range(7))  # three classes and these make the model's ten

    def files(self):
        return sorted(os.path.relpath(os.path.join(folder, name), self.folder) for folder, _, names in os.walk(self.folder) for name in names)

    def json_of(self, *arguments):
        return json.loads(self.run_vitrim(*arguments, "--json", "-").stdout)
