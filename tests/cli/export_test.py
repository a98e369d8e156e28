#!/usr/bin/env python3
"""`vitrim export` from outside: its files and its refusals. tests/exporter checks whether other programs can run them."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import Case  # noqa: E402


class Export(Case):
    def export(self, *arguments, output="out.onnx"):
        return self.json_of("export", "model.safetensors", *arguments, "-o", output)

    def header(self, name):
        content = self.read(name)
        return json.loads(content[8:8 + int.from_bytes(content[:8], "little")])

    def test_the_ending_chooses_the_format(self):
        self.assertEqual(self.export()["format"], "onnx")
        self.assertEqual(self.export(output="out.safetensors")["format"], "safetensors")
        self.assertEqual(self.export("--format", "timm", output="t.safetensors")["class"], "timm.models.vision_transformer.VisionTransformer")
        self.assertEqual(self.export("--precision", "f16")["precision"], "f16")

    def test_batch(self):
        self.assertEqual(self.export()["inputs"][0]["shape"], [1, 3, 32, 32])
        self.assertEqual(self.export("--batch", "7")["outputs"][0]["shape"], [7, 10])
        self.assertEqual(self.export("--dynamic-batch")["inputs"][0]["shape"], ["batch", 3, 32, 32])

    def test_writes_the_same_bytes_again(self):
        self.export()
        first = self.read("out.onnx")
        self.export()
        self.assertEqual(self.read("out.onnx"), first)

    def test_gains_are_folded(self):
        """A file whose spec has a gain, as during a dilution."""
        self.export(output="plain.safetensors")
        header = self.header("plain.safetensors")
        spec = json.loads(header["__metadata__"]["vitrim.spec"])
        spec["blocks"][2]["stream_gain"] = 2.0
        header["__metadata__"]["vitrim.spec"] = json.dumps(spec)
        content = self.read("plain.safetensors")
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.write("gain.safetensors", len(text).to_bytes(8, "little") + text + content[8 + int.from_bytes(content[:8], "little"):])
        self.run_vitrim("export", "gain.safetensors", "-o", "folded.safetensors", "--quiet")
        folded = json.loads(self.header("folded.safetensors")["__metadata__"]["vitrim.spec"])
        self.assertEqual([block["stream_gain"] for block in folded["blocks"]], [1.0] * 4)
        scores = [self.json_of("eval", name, "--data", "synthetic:test:60", "--precision", "f32")["top1"] for name in ("gain.safetensors", "folded.safetensors")]
        self.assertEqual(scores[0], scores[1])

    def test_half_checkpoints_are_half_as_long(self):
        whole = self.export(output="a.safetensors")["files"][0]["bytes"]
        half = self.export("--precision", "f16", output="b.safetensors")["files"][0]["bytes"]
        self.assertLess(half, 0.6 * whole)
        self.assertEqual({entry["dtype"] for name, entry in self.header("b.safetensors").items() if name != "__metadata__"}, {"F16"})

    def test_wrong_usage(self):
        for arguments, says in ((("-o", "out.txt"), "end the name in .onnx or .safetensors"),
                                (("--format", "onnx", "-o", "out.safetensors"), "--format onnx writes .onnx files"),
                                (("--format", "timm", "-o", "out.onnx"), "--format timm writes .safetensors files"),
                                (("--format", "onx", "-o", "out.onnx"), "onx"),
                                (("--format", "timm", "--precision", "f16", "-o", "o.safetensors"), "float32"),
                                (("--precision", "bf16", "-o", "out.onnx"), "bf16"),
                                (("--dynamic-batch", "--batch", "2", "-o", "out.onnx"), "--batch"),
                                (("--batch", "0", "-o", "out.onnx"), "0"),
                                (("--dynamic-batch", "-o", "o.safetensors"), "--dynamic-batch is for --format onnx"),
                                (("--batch", "2", "-o", "o.safetensors"), "--batch is for --format onnx"),
                                (("--classes", "c.txt", "-o", "o.safetensors"), "--classes is for --format onnx"),
                                (("--json", "out.onnx", "-o", "out.onnx"), "the name of two outputs"),
                                (("--dynamic_batch", "-o", "out.onnx"), "--dynamic-batch"),
                                ((), "--output")):
            with self.subTest(arguments):
                self.refuse("export", "model.safetensors", *arguments, says=says, expect=2)

    def test_failures(self):
        self.write("few.txt", b"one\ntwo\n")
        self.refuse("export", "model.safetensors", "--classes", "few.txt", "-o", "out.onnx", says=("few.txt", "2 lines", "10 classes"))
        self.refuse("export", "model.safetensors", "--classes", "none.txt", "-o", "out.onnx", says="none.txt")
        self.refuse("export", "none.safetensors", "-o", "out.onnx", says="none.safetensors")
        self.refuse("export", "model.safetensors", "-o", "nowhere/out.onnx", says="nowhere/out.onnx")
        self.refuse("export", "model.safetensors", "-o", "few.txt/", says=("few.txt", "can't be made a folder"))
        self.refuse("export", "model.safetensors", "--format", "safetensors", "-o", "./", says="is a folder", expect=2)
        self.run_vitrim("merge", "model.safetensors", "--r", "2", "--pays-at", "0", "-o", "merged.safetensors", "--quiet")
        self.refuse("export", "merged.safetensors", "--format", "timm", "-o", "t.safetensors", says=("merged.safetensors", "can't merge tokens", "--r 0"))

    def test_an_old_file_stays_where_the_new_one_fails(self):
        self.write("out.onnx", b"old")
        os.mkdir(self.path("out.onnx.data"))
        self.refuse("export", "model.safetensors", "--longest-file", "1000", "-o", "out.onnx", says="out.onnx.data")
        self.assertEqual(self.read("out.onnx"), b"old")


if __name__ == "__main__":
    cases.main("export_program")
