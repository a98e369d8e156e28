"""The contents of image folders, shards and class lists, from outside: class orders, other formats, pipes, image bombs, grey models."""

import io
import json
import os
import pathlib
import random
import struct
import sys
import tarfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case, write_model, write_png, write_rows  # noqa: E402


BRIEFLY = ("--recipe", "plain", "--epochs", "1", "--warm-up-epochs", "0", "--batch-size", "10")  # one epoch of training


def png_header(width, height):
    """The shortest PNG of that size: grey, one bit a pixel, all black."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = b"\0" * (1 + (width + 7) // 8)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(row * height, 9)) + chunk(b"IEND", b"")


class Images(Case):
    def folders(self, root, names, each=2):
        for i, name in enumerate(names):
            os.makedirs(self.path(root, name))
            for j in range(each):
                write_png(self.path(root, name, f"{j}.png"), seed=100 * i + j)

    def warnings(self, *arguments):
        return "".join(line for line in self.run_vitrim(*arguments).stderr.splitlines(True) if line.startswith("warning: "))

    def with_class_names(self, path, names):
        """model.safetensors, with the names of its classes."""
        self.run_vitrim("inspect", "model.safetensors", "--write-spec", "spec.json")
        spec = json.loads(self.read("spec.json"))
        spec["class_names"] = names
        data = self.read("model.safetensors")
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + size])
        header["__metadata__"] = {"vitrim.spec": json.dumps(spec)}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.write(path, struct.pack("<Q", len(text)) + text + data[8 + size:])


class ClassOrder(Images):
    NAMES = ("0", "1", "10", "2", "3", "4", "5", "6", "7", "8")

    def correct(self, *more):
        return self.json_of("eval", "model.safetensors", "--data", "images", *more)["correct"]

    def test_two_orders_are_refused_until_one_is_named(self):
        self.folders("images", self.NAMES)
        evaluate = ("eval", "model.safetensors", "--data", "images")
        self.refuse(*evaluate, says=("images: the names of the class folders", "0, 1, 10, 2", "0, 1, 2, 3", "--class-order natural"))
        natural = sorted(self.NAMES, key=int)
        self.write("natural.txt", "".join(n + "\n" for n in natural).encode())
        self.write("lexicographic.txt", "".join(n + "\n" for n in self.NAMES).encode())
        for order in ("natural", "lexicographic"):
            self.assertEqual(self.correct("--class-order", order), self.correct("--classes", order + ".txt"), order)
        self.refuse(*evaluate, "--classes", "natural.txt", "--class-order", "natural", expect=2, says="omit --class-order")

    def test_the_ids_of_imagenet_are_built_in(self):
        write_model(self.path("wide.safetensors"), classes=1000)
        ids = {"n01443537": 1, "n15075141": 999}  # their indices in ILSVRC2012
        self.folders("images", ids, each=1)
        evaluate = ("eval", "wide.safetensors", "--data", "images")
        self.refuse(*evaluate, says=("1000 classes", "has 2", "pass --classes imagenet-1k (the ids of ILSVRC2012), or --classes FILE"))
        built_in = self.json_of(*evaluate, "--classes", "imagenet-1k")
        lines = [f"class {i}" for i in range(1000)]
        for name, index in ids.items():
            lines[index] = name
        self.write("ids.txt", "".join(line + "\n" for line in lines).encode())
        listed = self.json_of(*evaluate, "--classes", "ids.txt")
        for field in ("top1", "top5", "correct"):
            self.assertEqual(built_in[field], listed[field], field)
        self.write("imagenet-1k", self.read("ids.txt"))
        self.refuse(*evaluate, "--classes", "imagenet-1k", says=("imagenet-1k: there is a file of this name", "./imagenet-1k"))

    def test_everywhere_that_labels_are_read(self):
        self.folders("images", self.NAMES)
        says = "--class-order"
        self.refuse("compress", "model.safetensors", *CALIB, "--remove", "1", "--eval", "images", "-o", "out.safetensors", says=says)
        self.refuse("prune", "model.safetensors", "--few-shot", "--data", "synthetic:calib:32", "--attention-macs", "80%", "--eval", "images", "-o", "out.safetensors", says=says)
        self.refuse("train", "--init", "model.safetensors", "--recipe", "plain", "--data", "images", "-o", "out.safetensors", says=says)
        self.refuse("dilute", "model.safetensors", "--recipe", "plain", "--remove-attention", "0", "--dilution-epochs", "1", "--data", "images", "-o", "out.safetensors", says=says)
        # Labels of calibration images are not used, so no class order is needed.
        self.run_vitrim("analyze", "model.safetensors", "--calib", "images", "--remove", "1", "--quiet")

    def test_the_checkpoints_class_names_decide(self):
        self.folders("images", self.NAMES)
        names = ["8", "7", "6", "5", "4", "3", "2", "1", "0", "10"]
        self.with_class_names("named.safetensors", names)
        self.write("names.txt", "".join(n + "\n" for n in names).encode())
        got = self.json_of("eval", "named.safetensors", "--data", "images")["correct"]
        self.assertEqual(got, self.correct("--classes", "names.txt"))
        os.rename(self.path("images", "10"), self.path("images", "9"))
        self.refuse("eval", "named.safetensors", "--data", "images", says=("9 of 10 class folders", "folder 9 is not"))


    def test_a_new_classifier_remembers_the_names(self):
        self.folders("images", self.NAMES)
        train = ("train", "--init", "model.safetensors", "--new-head", *BRIEFLY, "--data", "images", "-o", "new.safetensors", "--quiet")
        self.refuse(*train, says="--class-order")
        self.run_vitrim(*train, "--class-order", "natural")
        self.run_vitrim("inspect", "new.safetensors", "--write-spec", "spec.json")
        self.assertEqual(json.loads(self.read("spec.json"))["class_names"], sorted(self.NAMES, key=int))
        self.assertEqual(self.json_of("eval", "new.safetensors", "--data", "images")["correct"],
                         self.json_of("eval", "new.safetensors", "--data", "images", "--class-order", "natural")["correct"])


class ClassLists(Images):
    def test_names_with_blanks_marks_and_accents(self):
        self.folders("images", ("AM General Hummer", "Acura RL", "Cafe\u0301"))
        names = ["AM General Hummer", "AM General Truck", "Acura RL", "Caf\u00e9"] + [f"class{i}" for i in range(6)]
        text = "\r\n".join(names) + "\r\n"
        results = []
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
            self.write("classes.txt", text.encode(encoding))
            results.append(self.json_of("eval", "model.safetensors", "--data", "images", "--classes", "classes.txt")["correct"])
            self.assertEqual(len(results[-1]), 6)
            self.assertEqual(results[-1], results[0], encoding)

    def test_mean_and_std_of_0_to_255(self):
        for flags in (("--mean", "123.675,116.28,103.53"), ("--std", "58.395,57.12,57.375")):
            self.refuse("eval", "model.safetensors", "--data", "synthetic:test:4", *flags, expect=2, says=("pixels from 0 to 255", "divide by 255"))


class PassedOver(Images):
    def test_other_formats_are_counted(self):
        self.folders("images", [f"class{i}" for i in range(10)])
        for i in range(3):
            self.write(f"images/class{i}/x.bmp", b"BM")
        warning = self.warnings("eval", "model.safetensors", "--data", "images", "--quiet")
        self.assertIn("passed over 3 .bmp files", warning)
        for name in ("0.png", "1.png"):
            os.remove(self.path("images", "class1", name))
        self.refuse("eval", "model.safetensors", "--data", "images", says=("class1: class folder with 1 .bmp files", "convert"))

    def test_splits_are_refused(self):
        self.folders("set", ("train/a", "train/b", "val/a", "val/b"))
        self.refuse("eval", "model.safetensors", "--data", "set", says=("parts of a data set (train, val)", "set/train"))
        self.refuse("analyze", "model.safetensors", "--calib", "set", "--remove", "1", says="parts of a data set")

    def test_pipes_and_devices_do_not_stop_the_program(self):
        self.folders("images", [f"class{i}" for i in range(10)])
        os.mkfifo(self.path("images", "class0", "pipe.png"))
        os.symlink("/dev/zero", self.path("images", "class1", "endless.jpg"))
        done = self.run_vitrim("eval", "model.safetensors", "--data", "images", "--quiet", timeout=60)
        self.assertIn("2 special files", done.stderr)
        os.mkfifo(self.path("pipe.tar"))
        os.mkfifo(self.path("pipe.txt"))
        self.refuse("eval", "model.safetensors", "--data", "pipe.tar", says="not a regular file but a pipe")
        self.refuse("eval", "model.safetensors", "--data", "images", "--classes", "pipe.txt", says="not a regular file but a pipe")

    def test_tar_members_with_dots(self):
        write_png(self.path("one.png"))
        with tarfile.open(self.path("calib.tar"), "w") as tar:
            for i in range(16):
                member = tarfile.TarInfo(f"data/img_{i}.png" if i < 9 else f"data/IMG.2021.{i}.png")
                member.size = os.path.getsize(self.path("one.png"))
                tar.addfile(member, io.BytesIO(self.read("one.png")))
        warning = self.warnings("analyze", "model.safetensors", "--calib", "calib.tar", "--remove", "1", "--quiet")
        self.assertIn("left out 7 images with a dot in their names", warning)
        self.assertIn("first dot", warning)


class Bombs(Images):
    def test_one_bomb_is_one_corrupt_image(self):
        self.folders("images", [f"class{i}" for i in range(10)])
        self.write("images/class0/wide.png", png_header(1000000, 1))
        self.write("images/class1/huge.png", png_header(30000, 30000))
        evaluate = ("eval", "model.safetensors", "--data", "images", "--quiet")
        self.refuse(*evaluate, says=("2 of 22 images are corrupt", "wide.png", "huge.png", "--max-corrupt 2"))
        done = self.run_vitrim(*evaluate, "--max-corrupt", "2", "--json", "-")
        self.assertEqual(json.loads(done.stdout)["images"], 20)
        self.assertIn("which resizing would make", done.stderr)
        self.refuse(*evaluate, "--max-pixels", "100", says=("22 of 22 images are corrupt", "at most 100 pixels are read"))


class Grey(Images):
    def test_a_model_of_one_channel_sees_grey(self):
        write_model(self.path("grey.safetensors"), channels=1)
        draw = random.Random(3)
        for i in range(10):
            for root in ("colour", "grey"):
                os.makedirs(self.path(root, f"class{i}"))
            for j in range(3):
                rows = [[draw.randrange(256) for _ in range(96)] for _ in range(32)]
                luma = [[(row[3 * x] * 19595 + row[3 * x + 1] * 38470 + row[3 * x + 2] * 7471 + 0x8000) >> 16 for x in range(32)] for row in rows]
                write_rows(self.path("colour", f"class{i}", f"{j}.png"), rows, 3)
                write_rows(self.path("grey", f"class{i}", f"{j}.png"), luma, 1)
        runs = [self.json_of("eval", "grey.safetensors", "--data", data, "--engine", engine, "--batch-size", batch)["correct"]
                for data, engine, batch in (("colour", "libtorch", "50"), ("grey", "libtorch", "50"), ("colour", "native", "1"), ("grey", "native", "24"))]
        for run in runs[1:]:
            self.assertEqual(run, runs[0])
        self.run_vitrim("analyze", "grey.safetensors", "--calib", "grey", "--remove", "1", "--quiet")
        self.run_vitrim("train", "--init", "grey.safetensors", *BRIEFLY, "--data", "grey", "-o", "trained.safetensors", "--quiet")

    def test_other_channel_counts_are_refused_before_an_image_is_read(self):
        self.folders("images", [f"class{i}" for i in range(10)])
        for i in range(10):
            self.write(f"images/class{i}/0.png", b"no image")
        for channels in (2, 4, 13):
            write_model(self.path("odd.safetensors"), channels=channels)
            for engine in ("native", "libtorch"):
                self.refuse("eval", "odd.safetensors", "--data", "images", "--engine", engine, says=("odd.safetensors", f"of {channels} channels, and images have 3"))
            self.refuse("analyze", "odd.safetensors", "--calib", "images", "--remove", "1", says=f"of {channels} channels")


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("images_program")
