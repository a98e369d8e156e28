#!/usr/bin/env python3
"""Folders as on model hubs, from Python: written by jobs, and read by load and from_pretrained, in a cache and without a hub's packages."""

import json
import os
import shutil
import subprocess
import sys
from unittest import mock

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_case import Case, SMALL, inputs, vit  # noqa: E402, I001

import cases  # noqa: E402
import torch  # noqa: E402
import vitrim  # noqa: E402
from vitrim import hub  # noqa: E402


class Pretrained(Case):
    def setUp(self):
        super().setUp()
        self.before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(self.before)))
        os.environ["HF_HUB_CACHE"] = self.path("cache")
        os.environ["HF_HUB_OFFLINE"] = "1"
        self.model = vitrim.build(vit())

    def cached(self, name="owner/model", commit="0123abcd"):
        """A model in the cache, as huggingface_hub stores it."""
        folder = self.path("cache/models--" + name.replace("/", "--"))
        snapshot = os.path.join(folder, "snapshots", commit)
        os.makedirs(snapshot)
        os.makedirs(os.path.join(folder, "refs"))
        with open(os.path.join(folder, "refs", "main"), "w", encoding="utf-8") as file:
            file.write(commit)
        vitrim.save(self.model, os.path.join(snapshot, "model.safetensors"))
        return snapshot

    def assert_same(self, loaded):
        x = inputs(2, self.model.spec)
        with torch.no_grad():
            self.assertTrue(torch.equal(loaded(x), self.model(x)))

    def test_files_and_folders_go_first(self):
        os.makedirs(self.path("folder"))
        vitrim.save(self.model, self.path("folder/model.safetensors"))
        self.assert_same(vitrim.from_pretrained(self.path("folder")))
        self.assert_same(vitrim.from_pretrained(self.path("folder/model.safetensors")))
        self.assert_same(vitrim.load(self.path("folder") + "/"))
        self.assertEqual(vitrim.from_pretrained(self.path("folder"), num_classes=3).num_classes, 3)

    def test_the_local_cache(self):
        self.cached()
        self.assert_same(vitrim.from_pretrained("owner/model"))
        self.assert_same(vitrim.from_pretrained("owner/model", revision="0123abcd"))
        self.assert_same(vitrim.from_pretrained("owner/model", cache_dir=self.path("cache")))

    def test_without_huggingface_hub(self):
        self.cached()
        sys.modules["huggingface_hub"] = None  # import fails as if it were not installed
        self.addCleanup(sys.modules.pop, "huggingface_hub", None)
        self.assert_same(vitrim.from_pretrained("owner/model"))
        with self.assertRaisesRegex(vitrim.Error, "pip install huggingface_hub"):
            vitrim.from_pretrained("owner/other")
        with self.assertRaisesRegex(vitrim.Error, "not in the local cache"):
            vitrim.from_pretrained("owner/model", revision="another")

    def test_a_download_that_fails(self):
        """Every exception of the hub's package becomes one sentence that names the model; a model in the cache is used."""
        class Fake:
            @staticmethod
            def snapshot_download(name, **options):
                self.assertIn("model.safetensors", options["allow_patterns"])
                raise OSError("no network\nand a long story")

        sys.modules["huggingface_hub"] = Fake
        self.addCleanup(sys.modules.pop, "huggingface_hub", None)
        with self.assertRaisesRegex(vitrim.Error, r"owner/model: not in the local cache .*could not be downloaded: no network$"):
            vitrim.from_pretrained("owner/model")
        self.cached()
        self.assert_same(vitrim.from_pretrained("owner/model"))

    def test_what_is_no_model(self):
        for name in ("nothing", "./missing/model", "missing.safetensors", "a/b/c"):
            with self.assertRaisesRegex(vitrim.Error, "no such file or folder"):
                vitrim.from_pretrained(name)

    def test_where_the_cache_lies(self):
        os.environ.pop("HF_HUB_CACHE")
        os.environ["HF_HOME"] = "/somewhere"
        self.assertEqual(hub._cache(None), "/somewhere/hub")
        os.environ.pop("HF_HOME")
        os.environ["XDG_CACHE_HOME"] = "/cache"
        self.assertEqual(hub._cache(None), "/cache/huggingface/hub")
        os.environ.pop("XDG_CACHE_HOME")
        self.assertTrue(hub._cache(None).endswith("/.cache/huggingface/hub"))


class Folders(Case):
    def setUp(self):
        super().setUp()
        self.needs_library()

    def test_a_job_writes_a_folder(self):
        out = self.path("small") + "/"
        result = vitrim.compress(SMALL, "synthetic:calib:32", remove_attention=[1], epochs=0, save_dtype="f32", eval="synthetic:test:40", output=out, progress=False)
        self.assertEqual(result.output, out)
        self.assertEqual(sorted(os.listdir(out)), ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"])
        with open(out + "config.json", encoding="utf-8") as file:
            config = json.load(file)
        self.assertIn("vitrim.compress(", config["vitrim"]["command"])
        model = vitrim.from_pretrained(out)
        x = inputs(2, model.spec)
        with torch.no_grad():
            self.assertTrue(torch.equal(model(x), result.module(x)))
        with open(out + "README.md", encoding="utf-8") as file:
            self.assertIn(f"{100 * result.compressed.top1:.1f} %", file.read())

    def test_refused_before_the_work(self):
        with self.assertRaisesRegex(vitrim.Error, "no such folder"):
            vitrim.merge(SMALL, r=1, output=self.path("no/such") + "/", progress=False)
        with self.assertRaisesRegex(ValueError, "or in / to write a folder"):
            vitrim.merge(SMALL, r=1, output=self.path("model"), progress=False)
        self.assertFalse(os.path.exists(self.path("no")))

    def test_the_model_that_is_read_is_not_replaced(self):
        own = self.path("own")
        os.mkdir(own)
        shutil.copy(SMALL, os.path.join(own, "model.safetensors"))
        with open(os.path.join(own, "model.safetensors"), "rb") as file:
            before = file.read()
        for model, output in ((own, own), (own, own + "/model.safetensors"), (own + "/model.safetensors", own + "/"), (own + "/model.safetensors", own + "/model.safetensors")):
            with self.subTest((model, output)), self.assertRaisesRegex(ValueError, "would replace the model"):
                vitrim.merge(model, r=1, output=output, progress=False)
        with open(os.path.join(own, "model.safetensors"), "rb") as file:
            self.assertEqual(file.read(), before)


class Command(Case):
    def test_the_command_starts_the_program(self):
        """`vitrim` of the wheel runs the program with the installed torch's libraries first on its path."""
        package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        echo = self.path("program")
        with open(echo, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "$LD_LIBRARY_PATH|$*"\n')
        os.chmod(echo, 0o755)
        call = [sys.executable, "-c", "import vitrim_program; vitrim_program.main()", "inspect", "x"]
        environment = {**os.environ, "PYTHONPATH": package, "VITRIM_PROGRAM": echo, "LD_LIBRARY_PATH": "/more"}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
        paths, words = done.stdout.strip().split("|")
        self.assertEqual(words, "inspect x")
        self.assertEqual(paths.split(":")[-1], "/more")
        self.assertTrue(os.path.exists(os.path.join(paths.split(":")[0], "libc10.so")), paths)
        module = subprocess.run([sys.executable, "-m", "vitrim", "inspect", "x"], env=environment, capture_output=True, text=True, check=True)
        self.assertEqual(module.stdout, done.stdout)
        environment["VITRIM_PROGRAM"] = self.path("missing")
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("installed without the program", done.stderr)
        # A wheel asks for one release of torch, and pip may have replaced that since.
        sys.path.insert(0, package)
        self.addCleanup(sys.path.remove, package)
        import vitrim_program
        for asked, there, fits in (("torch==2.13.0", "2.13.0+cpu", True), ("torch==2.13.0", "2.14.1+cu130", False), ("torch>=2.11", "2.14.1", True)):
            with mock.patch("vitrim_program.metadata.requires", return_value=[asked]), mock.patch("vitrim_program.metadata.version", return_value=there):
                self.assertEqual(vitrim_program.other_torch() == "", fits, (asked, there))


if __name__ == "__main__":
    assert shutil
    cases.main("python_hub")
