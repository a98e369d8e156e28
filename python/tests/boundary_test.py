#!/usr/bin/env python3
"""Mistakes of callers, and unusual processes: odd arrays, many threads, forked processes, names that are not text, links and permissions."""

import logging
import os
import signal
import stat
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_case import Case, colours, difference, inputs, library_output, lively, need, staged, tolerance, vit  # noqa: E402, I001

need("numpy")
import cases  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import vitrim  # noqa: E402

QUIET = {"progress": False, "seed": 0}
ODD = os.fsdecode(b"gr\xfcn \xff")  # Latin-1, and a byte that no encoding of text has


class Boundary(Case):
    def setUp(self):
        super().setUp()
        self.needs_library()

    def saved(self, spec=None, name="model.safetensors"):
        vitrim.save(lively(spec or vit()), self.path(name))
        return self.path(name)


class Arrays(Boundary):
    def test_layouts_of_memory(self):
        """Any strides, either byte order, read-only: the same values are the same images."""
        engine = vitrim.Engine(lively(vit()), threads=2, precision="f32")
        x = inputs(4, vit()).numpy()
        wanted = engine(x)
        padded = np.zeros((4, 3, 32, 40), np.float32)
        padded[..., 3:35] = x
        records = np.zeros(x.shape, np.dtype([("mark", "u1"), ("value", "<f4")]))
        records["value"] = x
        frozen = x.copy()
        frozen.flags.writeable = False
        for name, images in {"reversed": x[::-1].copy()[::-1], "mirrored": np.ascontiguousarray(x[..., ::-1])[..., ::-1], "columns first": np.asfortranarray(x), "a part": padded[..., 3:35],
                             "big-endian": x.astype(">f4"), "a field of records": records["value"], "read-only": frozen}.items():
            with self.subTest(name):
                self.assertTrue(np.array_equal(engine(images), wanted))
        one = engine(np.broadcast_to(x[:1], x.shape))
        self.assertTrue(np.array_equal(one, np.broadcast_to(wanted[:1], one.shape)))
        tensor = torch.from_numpy(x).requires_grad_()
        self.assertTrue(np.array_equal(engine(tensor.to(memory_format=torch.channels_last)).numpy(), wanted))

    def test_wrong_ones_are_refused(self):
        engine = vitrim.Engine(lively(vit()), precision="f32")
        x = torch.zeros(2, 3, 32, 32)
        for images in (x.double(), x.half(), x.to(torch.int32), x[0], x[:, :1], x[:, :2], torch.zeros(2, 4, 32, 32), torch.zeros(2, 3, 32, 33), torch.zeros(2, 32, 32, 3), torch.zeros(()),
                       torch.zeros(2, 4, 32, 32, dtype=torch.uint8), torch.zeros(2, 1, 32, 32, dtype=torch.uint8), torch.zeros(2, 3, 3, 3, dtype=torch.uint8)):
            with self.subTest(f"{images.dtype} {list(images.shape)}"), self.assertRaisesRegex(ValueError, "the engine takes float32"):
                engine(images)
        for images in (None, "images", object(), np.array([object()])):
            with self.assertRaises((TypeError, RuntimeError, ValueError)):
                engine(images)
        for threads in (-1, 1025, 10**6):
            with self.assertRaisesRegex(ValueError, "threads"):
                vitrim.Engine(lively(vit()), threads=threads)

    def test_channels(self):
        """Models of one channel accept grey images, models of other numbers only normalised ones; images of three channels fit neither."""
        for channels in (1, 4, 13):
            with self.subTest(channels):
                spec = vit(in_channels=channels)
                model = lively(spec)
                engine = vitrim.Engine(model, threads=1, precision="f32")
                x = torch.randn(3, channels, 32, 32)
                with torch.no_grad():
                    self.assertLess(difference(engine(x), model(x)), tolerance(spec))
                for images in (inputs(3, vit()), colours(3)):
                    with self.assertRaisesRegex(ValueError, "the engine takes float32|3 channels|images of 4 channels|images of 13 channels"):
                        engine(images)
        grey = lively(vit(in_channels=1))
        engine = vitrim.Engine(grey, threads=1, precision="f32")
        pixels = colours(3)[:, :1]
        with torch.no_grad():
            wanted = grey((pixels.float() / 255 - 0.5) / 0.5)
        for images in (pixels, pixels.permute(0, 2, 3, 1)):
            self.assertLess(difference(engine(images), wanted), tolerance(grey.spec))


class Threads(Boundary):
    def test_many_threads_and_many_engines(self):
        """One engine for all threads and one for each, created and destroyed while others run: the same bits."""
        model = lively(vit())
        shared, x, wrong = vitrim.Engine(model, threads=2, precision="f32"), inputs(5, vit()), []
        wanted = shared(x)

        def work():
            for _ in range(5):
                own = vitrim.Engine(model, threads=2, precision="f32")
                if not torch.equal(own(x), wanted) or not torch.equal(shared(x), wanted):
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_an_engine_outlives_its_name(self):
        box, x = [vitrim.Engine(lively(vit()), threads=2, precision="f32")], inputs(64, vit())
        wanted, got = box[0](x), []
        threads = [threading.Thread(target=lambda engine=box[0]: got.append(engine(x))) for _ in range(3)]
        for thread in threads:
            thread.start()
        box.clear()
        for thread in threads:
            thread.join()
        self.assertTrue(all(torch.equal(one, wanted) for one in got))


class Forks(Boundary):
    def in_child(self, work):
        """The result of `work` in a forked process; it must not hang there."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                try:
                    told = str(work())
                except BaseException as error:  # noqa: BLE001
                    told = f"{type(error).__name__}: {error}"
                os.write(writing, told.encode())
            finally:
                os._exit(0)
        os.close(writing)
        deadline = time.monotonic() + 60
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                os.close(reading)
                self.fail("the forked process hung")
            time.sleep(0.02)
        with os.fdopen(reading, "rb") as file:
            return file.read().decode()

    def setUp(self):
        super().setUp()
        torch.randn(1000, 1000) @ torch.randn(1000, 1000)  # LibTorch's threads are there before the fork
        torch.randn(1000, 1000) + 1

    def test_engines(self):
        path = self.saved()
        engine, pixels, x = vitrim.Engine(path, threads=2, precision="f32"), colours(40), inputs(40, vit())
        wanted = engine(x)

        def of_before():
            return torch.equal(engine(x), wanted), np.array_equal(engine(pixels).numpy(), engine(pixels.numpy()))

        def of_after():
            return torch.equal(vitrim.Engine(path, threads=2, precision="f32")(x), wanted), vitrim.Engine(vitrim.load(path), precision="f32")(pixels).shape[0]

        for _ in range(2):
            self.assertEqual(self.in_child(of_before), "(True, True)")
            self.assertEqual(self.in_child(of_after), "(True, 40)")
        self.assertTrue(torch.equal(engine(x), wanted))

    def test_jobs(self):
        """A forked process runs jobs, even if its parent was running one."""
        path, pixels = self.saved(), colours(64)

        def job():
            return vitrim.evaluate(path, pixels, [0] * 64, **QUIET).images

        self.assertEqual(job(), 64)
        self.assertEqual(self.in_child(job), "64")
        self.assertEqual(self.in_child(lambda: vitrim.compress(path, pixels, remove=1, criterion="te", epochs=0, **QUIET).removed != []), "True")
        told = []

        def fork(update):
            if not told:
                told.append(self.in_child(job))

        vitrim.evaluate(path, pixels, [0] * 64, progress=fork)
        self.assertEqual(told, ["64"])

    def test_a_child_that_comes_back_into_the_parents_job(self):
        path, children = self.saved(), []

        def fork(update):
            if not children:
                children.append(os.fork())

        parent, reading, writing = os.getpid(), *os.pipe()
        try:
            vitrim.evaluate(path, colours(64), [0] * 64, progress=fork)
        except vitrim.Error as error:
            if os.getpid() != parent:
                os.write(writing, str(error).encode())
            raise
        finally:
            if os.getpid() != parent:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as file:
            self.assertIn("goes on in the parent alone", file.read())
        os.waitpid(children[0], 0)


class Jobs(Boundary):
    def test_a_job_within_a_job_is_refused(self):
        """From the progress function, and from a log handler; the library can be used afterwards."""
        model, pixels = lively(vit()), colours(32)

        def again(update):
            vitrim.evaluate(model, pixels, [0] * 32, **QUIET)

        with self.assertRaisesRegex(vitrim.Error, "was started by the progress function"):
            vitrim.evaluate(model, pixels, [0] * 32, progress=again)
        self.assertEqual(vitrim.evaluate(model, pixels, [0] * 32, **QUIET).images, 32)


class Names(Boundary):
    """File names that are not UTF-8, as Python represents them (surrogates) and as bytes."""

    def test_models_and_outputs(self):
        path = self.path(ODD + ".safetensors")
        model = lively(vit())
        x = inputs(3, vit())
        with torch.no_grad():
            wanted = model(x)
        for name in (path, os.fsencode(path)):
            vitrim.save(model, name)
            with torch.no_grad():
                self.assertTrue(torch.equal(vitrim.load(name)(x), wanted))
            self.assertLess(difference(vitrim.Engine(name, precision="f32")(x), wanted), tolerance(vit()))
        result = vitrim.compress(path, colours(16), remove=1, criterion="te", epochs=0, output=self.path(ODD + "2.safetensors"), **QUIET)
        self.assertTrue(os.path.exists(result.output))
        self.assertIn("gr\\xfcn \\xff", result.model)
        with self.assertRaisesRegex(vitrim.Error, "nowhere"):
            vitrim.load(self.path("nowhere" + ODD + ".safetensors"))
        with self.assertRaisesRegex(vitrim.Error, "xff"):
            vitrim.Engine(self.path("nowhere" + ODD + ".safetensors"))
        with self.assertRaisesRegex(vitrim.Error, "xff"):
            vitrim.merge(path, r=1, output=self.path(ODD + "/nowhere.safetensors"), **QUIET)

    def test_images_and_warnings(self):
        """A corrupt image with such a name: the job warns and continues."""
        folder = self.path(ODD)
        for kind in ("0", "1"):
            os.makedirs(os.path.join(folder, kind + ODD))
            for i in range(4):
                self.png(os.path.join(ODD, kind + ODD, f"{i}{ODD}.png"), colours(8)[i].permute(1, 2, 0).contiguous().numpy())
        with open(os.path.join(folder, "0" + ODD, f"broken{ODD}.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\nnothing")
        model = self.saved(vit())
        with self.assertLogs("vitrim", logging.WARNING) as logs:
            result = vitrim.analyze(model, folder, criterion="te", max_corrupt=1, resize="none", **QUIET)
        self.assertIn("broken", "".join(logs.output))
        self.assertIn("9 ", result.manifest.data_fingerprint)
        with self.assertRaisesRegex(vitrim.Error, "broken.*xff"):
            vitrim.analyze(model, folder, criterion="te", resize="none", **QUIET)
        files = sorted(os.path.join(folder, "1" + ODD, name) for name in os.listdir(os.path.join(folder, "1" + ODD)))
        self.assertEqual(vitrim.evaluate(model, files, [0] * 4, resize="none", **QUIET).images, 4)
        with self.assertRaisesRegex(vitrim.Error, "gone"):
            vitrim.evaluate(model, [self.path("gone" + ODD)], [0], **QUIET)


class Saving(Case):
    """vitrim.save's files, which need no library."""

    def test_links_and_permissions_stay(self):
        model = lively(vit())
        os.mkdir(self.path("store"))
        os.symlink("store/real.safetensors", self.path("link.safetensors"))
        vitrim.save(model, self.path("link.safetensors"))  # to where there is nothing yet
        self.assertTrue(os.path.islink(self.path("link.safetensors")))
        os.chmod(self.path("store/real.safetensors"), 0o640)
        model.reset_classifier(5)
        vitrim.save(model, self.path("link.safetensors"))
        self.assertTrue(os.path.islink(self.path("link.safetensors")))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("store/real.safetensors")).st_mode), 0o640)
        self.assertEqual(vitrim.load(self.path("store/real.safetensors")).num_classes, 5)
        self.assertEqual(os.listdir(self.path("store")), ["real.safetensors"])
        mask = os.umask(0o027)
        try:
            vitrim.save(model, self.path("new.safetensors"))
        finally:
            os.umask(mask)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("new.safetensors")).st_mode), 0o640)
        long = self.path("n" * 243 + ".safetensors")  # as long as a name may be
        vitrim.save(model, long)
        self.assertEqual(vitrim.load(long).num_classes, 5)

    def test_pipes_are_written_to(self):
        os.mkfifo(self.path("pipe.safetensors"))
        got = []
        reader = threading.Thread(target=lambda: got.append(open(self.path("pipe.safetensors"), "rb").read()))
        reader.start()
        vitrim.save(lively(vit()), self.path("pipe.safetensors"))
        reader.join()
        with open(self.path("file.safetensors"), "wb") as file:
            file.write(got[0])
        x = inputs(2, vit())
        with torch.no_grad():
            self.assertTrue(torch.equal(vitrim.load(self.path("file.safetensors"))(x), lively(vit())(x)))
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe.safetensors")).st_mode))

    def test_what_cannot_be_written(self):
        model = lively(vit())
        vitrim.save(model, self.path("kept.safetensors"))
        os.mkdir(self.path("folder.safetensors"))
        os.symlink("round.safetensors", self.path("round.safetensors"))
        for name, words in (("nowhere/m.safetensors", "no such folder"), ("folder.safetensors", "folder"), ("round.safetensors", "round")):
            with self.subTest(name), self.assertRaisesRegex(vitrim.Error, words):
                vitrim.save(model, self.path(name))
        if os.geteuid() != 0:  # root may write anything
            os.chmod(self.path("kept.safetensors"), 0o444)
            with self.assertRaisesRegex(vitrim.Error, "permission denied"):
                vitrim.save(model, self.path("kept.safetensors"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["folder.safetensors", "kept.safetensors", "round.safetensors"])


class Focusing(Boundary):
    def test_high_powers(self):
        """Powers of small numbers leave float32's range: module, library and engine agree, and phi is what double precision makes of it."""
        for power in (4, 8, 21):
            spec = staged("flatten_swin")
            spec.focusing_factor = power
            path = self.saved(spec)
            x = inputs(3, spec)
            with torch.no_grad():
                wanted = vitrim.load(path)(x)
            self.assertTrue(wanted.isfinite().all())
            attention, draws = next(module for module in vitrim.load(path).modules() if hasattr(module, "_phi")), torch.tensor([[[-1.0] * 16, [-1.0] * 15 + [1e-3], [0.0, 2.0] * 8]])
            f = draws.double().relu() + 1e-6
            phi = f**power / (f**power).norm(dim=-1, keepdim=True) * f.norm(dim=-1, keepdim=True)
            got = attention._phi(draws, torch.ones(16)).transpose(1, 2).flatten(2).double()
            self.assertLess(((got - phi).abs() / phi.norm(dim=-1, keepdim=True)).max().item(), power * 2.0**-22)
            # A relative change grows by the power in every focused block.
            self.assertLess(difference(library_output(path, x), wanted), tolerance(spec, 2 * power))
            self.assertLess(difference(vitrim.Engine(path, precision="f32")(x), wanted), tolerance(spec, 2 * power))


if __name__ == "__main__":
    cases.main("python_boundary")
