#!/usr/bin/env python3
"""vitrim-run from outside: its predictions equal those of libvitrim on the same pixels and of `vitrim eval --engine native`, and it exits as vitrim
does.

VITRIM_RUN names the program, VITRIM_LIBRARY libvitrim, VITRIM_BINARY the whole program (none in a build without LibTorch).
"""

import ctypes
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "cli")]
import cases  # noqa: E402
from program_case import Case, write_model, write_rows  # noqa: E402

RUN = os.path.abspath(os.environ.get("VITRIM_RUN", "build/release/vitrim-run"))
LIBRARY = os.environ.get("VITRIM_LIBRARY", "build/release/libvitrim.so")
BINARY = os.environ.get("VITRIM_BINARY", "")


def rows_of(seed, height=32, width=32):
    draw = random.Random(seed)
    return [[draw.randrange(256) for _ in range(3 * width)] for _ in range(height)]


class Program(Case):
    def call(self, *arguments, expect=0, **options):
        done = subprocess.run([RUN, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=options.get("stdout", subprocess.PIPE),
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, expect, f"vitrim-run {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
        return done

    def predictions(self, *arguments):
        return json.loads(self.call(*arguments, "--json", "-", "--quiet").stdout)

    def refuse(self, *arguments, says, expect=1):
        done = self.call(*arguments, expect=expect)
        self.assertEqual(done.stdout, "")
        lines = [line for line in done.stderr.splitlines() if line.startswith("vitrim-run: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(says, lines[0])
        self.assertNotIn("::", lines[0])

    def images(self, count, height=32, width=32):
        os.makedirs(self.path("images"), exist_ok=True)
        for i in range(count):
            write_rows(self.path("images", f"{i:03}.png"), rows_of(i, height, width), 3)


class Answers(Program):
    def library_logits(self, rows):
        """Of one image, through the C interface."""
        lib = ctypes.CDLL(LIBRARY)
        lib.vitrim_load.restype = ctypes.c_void_p
        lib.vitrim_load.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
        lib.vitrim_prepare.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
        lib.vitrim_run_sized.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64]
        lib.vitrim_error.restype = ctypes.c_char_p
        engine = lib.vitrim_load(self.path("model.safetensors").encode(), 1, b"f32")
        prepared, out = (ctypes.c_float * (3 * 32 * 32))(), (ctypes.c_float * 10)()
        pixels = b"".join(bytes(row) for row in rows)
        self.assertEqual(lib.vitrim_prepare(engine, pixels, len(rows), len(rows[0]) // 3, prepared, len(prepared)), 0, lib.vitrim_error())
        self.assertEqual(lib.vitrim_run_sized(engine, prepared, len(prepared), 1, out, 10), 0, lib.vitrim_error())
        self.assertEqual(lib.vitrim_prepare(engine, pixels, len(rows), 0, prepared, len(prepared)), 1)
        self.assertIn(b"at least 1 pixel", lib.vitrim_error())
        self.assertEqual(lib.vitrim_prepare(engine, pixels, len(rows), 3, prepared, 7), 1)
        return list(out)

    def test_logits_are_the_librarys(self):
        # 45 x 61: resized and cropped, too.
        for height, width in ((32, 32), (45, 61)):
            self.images(3, height, width)
            result = self.predictions("model.safetensors", "images", "--precision", "f32", "--top", "10", "--batch-size", "2")
            self.assertEqual([os.path.basename(one["image"]) for one in result["images"]], ["000.png", "001.png", "002.png"])
            for i, one in enumerate(result["images"]):
                wanted = self.library_logits(rows_of(i, height, width))
                self.assertEqual({answer["class"]: answer["logit"] for answer in one["top"]}, dict(enumerate(wanted)))
                self.assertEqual([answer["logit"] for answer in one["top"]], sorted(wanted, reverse=True))
                self.assertAlmostEqual(sum(answer["probability"] for answer in one["top"]), 1, places=6)

    @unittest.skipUnless(BINARY, "a build without LibTorch has no vitrim eval")
    def test_classes_are_those_of_eval(self):
        self.images(24, 40, 50)
        result = self.predictions("model.safetensors", "images", "--precision", "f32", "--top", "1")
        for i in range(10):
            os.makedirs(self.path("set", str(i)))
            write_rows(self.path("set", str(i), "known.png"), rows_of(100 + i, 40, 50), 3)
        first = {one["image"]: one["top"][0]["class"] for one in self.predictions("model.safetensors", "set", "--precision", "f32")["images"]}
        for one in result["images"]:
            os.rename(self.path(one["image"]), self.path("set", str(one["top"][0]["class"]), os.path.basename(one["image"])))
        self.run_vitrim("eval", "model.safetensors", "--data", "set", "--engine", "native", "--precision", "f32", "--quiet", "--json", "eval.json")
        right = sum(int(os.path.basename(os.path.dirname(name))) == answer for name, answer in first.items())
        self.assertEqual(json.loads(self.read("eval.json"))["correct"].count("1"), len(result["images"]) + right)

    def test_files_and_names(self):
        self.images(2)
        self.write("classes.txt", "".join(f"kind {i}\n" for i in range(10)).encode())
        done = self.call("model.safetensors", "images/001.png", "images/000.png", "--classes", "classes.txt", "--top", "2")
        self.assertRegex(done.stdout, r"\Aimages/001\.png\n( +\d+\.\d %  kind \d\n){2}images/000\.png\n( +\d+\.\d %  kind \d\n){2}\Z")
        self.write("classes.txt", b"a\nb\n")
        self.refuse("model.safetensors", "images", "--classes", "classes.txt", says="classes.txt: 2 classes, but the model has 10")

    def test_a_corrupt_image(self):
        self.images(2)
        self.write("images/bad.png", b"\x89PNG\r\n\x1a\n broken")
        self.refuse("model.safetensors", "images", says="--max-corrupt 1")
        result = self.predictions("model.safetensors", "images", "--max-corrupt", "1")
        self.assertEqual(len(result["images"]), 2)
        self.assertIn("bad.png", result["corrupt"][0])

    def test_shape_and_speed(self):
        shape = self.predictions("model.safetensors", "--shape")
        self.assertEqual([shape[key] for key in ("channels", "height", "width", "outputs", "classifies")], [3, 32, 32, 10, True])
        self.assertEqual(shape["preprocess"]["mean"], [0.5] * 3)
        self.assertIn("3 x 32 x 32", self.call("model.safetensors", "--shape").stdout)
        speed = self.predictions("model.safetensors", "--bench", "--seconds", "0.05", "--batch-size", "3", "--threads", "1")
        self.assertEqual([row["batch"] for row in speed["rows"]], [1, 3])
        for row in speed["rows"]:
            self.assertGreaterEqual(row["runs"], 5)
            self.assertTrue(0 < row["latency_p10"] <= row["latency"] <= row["latency_p90"])


class Ends(Program):
    def test_needs_no_libtorch(self):
        text = subprocess.run(["readelf", "-d", RUN], capture_output=True, text=True, check=True).stdout
        names = re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", text)
        self.assertIn("libjpeg", " ".join(names))
        self.assertEqual([name for name in names if re.search(r"torch|c10|gomp|mkl", name)], [])

    def test_wrong_usage(self):
        self.refuse("model.safetensors", says="no image was given", expect=2)
        self.refuse("model.safetensors", "x.png", "--shape", says="--shape takes no images", expect=2)
        self.refuse("model.safetensors", "--shape", "--bench", says="pass one of them", expect=2)
        self.refuse("model.safetensors", "x.png", "--tops", "3", says="unknown flag --tops; did you mean --top?", expect=2)

    def test_what_can_not_be_read(self):
        self.refuse("missing.safetensors", "--shape", says="missing.safetensors")
        self.refuse("model.safetensors", "missing.png", says="missing.png: no such file or folder")
        os.mkfifo(self.path("pipe.png"))
        self.refuse("model.safetensors", "pipe.png", says="pipe.png")
        write_model(self.path("features.safetensors"), channels=4)
        self.images(1)
        self.refuse("features.safetensors", "images", says="4 channels")

    def test_standard_output_that_fails(self):
        self.images(1)
        for flags in ([], ["--json", "-"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = self.call("model.safetensors", "images", *flags, expect=1, stdout=full)
            self.assertIn("vitrim-run: cannot write to standard output: no space left", done.stderr)
        self.refuse("model.safetensors", "images", "--json", "/dev/full", says="/dev/full")

    def test_version_and_help(self):
        self.assertRegex(self.call("--version").stdout, r"\Avitrim-run \d+\.\d+\.\d+\n\Z")
        self.assertIn("--shape", self.call("--help").stdout)

    def test_a_signal_ends_it(self):
        child = subprocess.Popen([RUN, "model.safetensors", "--bench", "--seconds", "60"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        begin = time.monotonic()
        child.send_signal(signal.SIGTERM)
        _, words = child.communicate(timeout=30)
        self.assertEqual((child.returncode, words), (130, b"vitrim-run: stopped\n"))
        self.assertLess(time.monotonic() - begin, 5)


if __name__ == "__main__":
    cases.main("vitrim_run")
