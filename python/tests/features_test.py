#!/usr/bin/env python3
"""Features of models without a classifier: the results of `vitrim eval` for nearest neighbours, probes and retrieval, compared with NumPy on the
module's own features."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from python_case import Case, ROOT, colours, lively, need, vit  # noqa: E402, I001

need("numpy")
import cases  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import vitrim  # noqa: E402

PROGRAM = os.environ.get("VITRIM_BINARY", os.path.join(ROOT, "build", "release", "vitrim"))
CLASSES = 4


def unit(features):
    return features / np.linalg.norm(features, axis=1, keepdims=True)


class Features(Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists(PROGRAM):
            self.skipTest("SKIPPED: the program was not built")
        spec = vit()
        spec.num_classes = 0
        spec.preprocess = vitrim.PreprocessSpec(crop=32)
        self.dense = lively(spec)
        self.changed = lively(spec)
        with torch.no_grad():
            for parameter in self.changed.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
        vitrim.save(self.dense, self.path("dense.safetensors"))
        vitrim.save(self.changed, self.path("changed.safetensors"))

    def folder_of(self, name, count, seed):
        """A folder of classes: images of one class share their coarse colours. Pixels and labels in the program's order."""
        pixels, labels = [], []
        for c in range(CLASSES):
            os.makedirs(self.path(f"{name}/class{c}"))
            base = colours(1, seed=100 + c).int()
            noise = colours(count, seed=seed + c).int() - 128
            for i in range(count):
                image = (base[0] + 0.7 * noise[i]).round().clamp(0, 255).to(torch.uint8)
                self.png(f"{name}/class{c}/{i:03}.png", image.permute(1, 2, 0).numpy())
                pixels.append(image)
                labels.append(c)
        return torch.stack(pixels), np.array(labels)

    def features(self, model, pixels):
        x = (pixels.float() / 255 - 0.5) / 0.5
        with torch.no_grad():
            return model.forward_head(model.forward_features(x), pre_logits=True).double().numpy()

    def vitrim(self, *words):
        done = subprocess.run([PROGRAM, *words, "--json", "-"], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_nearest_neighbours(self):
        known, known_labels = self.folder_of("train", 12, seed=1)
        asked, labels = self.folder_of("test", 9, seed=50)
        result = self.vitrim("eval", "dense.safetensors", "--data", "test", "--train", "train", "--knn", "5")
        cosines = unit(self.features(self.dense, asked)) @ unit(self.features(self.dense, known)).T
        votes = np.zeros((len(labels), CLASSES))
        for i, row in enumerate(cosines):
            for j in np.argsort(-row)[:5]:
                votes[i, known_labels[j]] += np.exp(row[j] / 0.07)
        right = votes.argmax(1) == labels
        self.assertEqual(result["protocol"], "5 nearest neighbours")
        self.assertEqual(result["images"], len(labels))
        self.assertLessEqual(sum(int(a) != b for a, b in zip(result["correct"], right)), 1)  # two votes may be almost equal
        self.assertGreater(result["top1"], 0.5)  # chance is 0.25
        low, high = result["top1_ci95"]
        self.assertTrue(0 < low < result["top1"] < high <= 1 or result["top1"] == 1)
        self.assertIn("train", result["gallery"])

    def test_leave_one_out(self):
        pixels, labels = self.folder_of("test", 9, seed=50)
        result = self.vitrim("eval", "dense.safetensors", "--data", "test", "--train", "test", "--knn", "1")
        features = unit(self.features(self.dense, pixels))
        cosines = features @ features.T
        np.fill_diagonal(cosines, -2)
        right = labels[cosines.argmax(1)] == labels
        self.assertLessEqual(sum(int(a) != b for a, b in zip(result["correct"], right)), 1)

    def test_probe(self):
        known, known_labels = self.folder_of("train", 12, seed=1)
        asked, labels = self.folder_of("test", 9, seed=50)
        result = self.vitrim("eval", "dense.safetensors", "--data", "test", "--train", "train", "--probe")
        x, q = self.features(self.dense, known), self.features(self.dense, asked)
        mean, deviation = x.mean(0), x.std(0)
        x, q = (x - mean) / deviation, (q - mean) / deviation
        y = np.eye(CLASSES)[known_labels]
        n, prior = len(x), y.mean(0)
        covariance = x.T @ x / n
        size = np.trace(covariance) / len(covariance)
        best = None
        for factor in (1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100):
            penalty = factor * size * np.eye(len(covariance))
            # Left out one by one, without the closed form: the other images' fit, with the standardisation and the prior of all.
            error = 0
            for i in range(n):
                keep = np.arange(n) != i
                centred = x[keep] - x[keep].mean(0)
                weights = np.linalg.solve(centred.T @ centred / n + penalty, centred.T @ (y[keep] - y[keep].mean(0)) / n)
                error += np.square(y[i] - y[keep].mean(0) - (x[i] - x[keep].mean(0)) @ weights).sum()
            if best is None or error < best[0]:
                best = error, factor
        weights = np.linalg.solve(covariance + best[1] * size * np.eye(len(covariance)), x.T @ (y - prior) / n)
        right = (q @ weights + prior).argmax(1) == labels
        self.assertEqual(result["protocol"], "linear probe")
        self.assertLessEqual(sum(int(a) != b for a, b in zip(result["correct"], right)), 1)
        self.assertGreater(result["top1"], 0.5)

    def test_retrieval(self):
        pixels, _ = self.folder_of("test", 9, seed=50)
        result = self.vitrim("eval", "changed.safetensors", "--data", "test", "--retrieval", "--against", "dense.safetensors", "--neighbours", "4")
        own, right = (unit(self.features(model, pixels)) for model in (self.changed, self.dense))
        own, right = own @ own.T, right @ right.T
        np.fill_diagonal(own, -2)
        np.fill_diagonal(right, -2)
        recall, precision, first = [], [], []
        for a, b in zip(own, right):
            wanted, ranking = set(np.argsort(-b)[:4]), np.argsort(-a)
            recall.append(len(wanted & set(ranking[:4])) / 4)
            places = [place for place, j in enumerate(ranking, 1) if j in wanted]
            precision.append(np.mean([hits / place for hits, place in enumerate(places, 1)]))
            first.append(ranking[0] == b.argmax())
        figures = result["retrieval"]
        self.assertEqual((figures["reference"], figures["neighbours"]), ("dense.safetensors", 4))
        # One pair of almost equal cosines may stand the other way round.
        self.assertAlmostEqual(figures["recall"], np.mean(recall), delta=0.01)
        self.assertAlmostEqual(figures["mean_average_precision"], np.mean(precision), delta=0.01)
        self.assertAlmostEqual(result["top1"], np.mean(first), delta=0.03)
        for name, value in (("recall_ci95", figures["recall"]), ("precision_ci95", figures["mean_average_precision"])):
            low, high = figures[name]
            self.assertTrue(low <= value <= high and high - low < 0.3, (name, low, value, high))
        self.assertLess(figures["recall"], 1)
        same = self.vitrim("eval", "dense.safetensors", "--data", "test", "--retrieval", "--against", "dense.safetensors")
        self.assertEqual((same["top1"], same["retrieval"]["recall"], same["retrieval"]["mean_average_precision"]), (1, 1, 1))

    def test_the_same_in_python(self):
        self.needs_library()
        known, known_labels = self.folder_of("train", 12, seed=1)
        asked, labels = self.folder_of("test", 9, seed=50)
        test, train, quiet = self.path("test"), self.path("train"), {"progress": False}
        data = ("--data", "test", "--train", "train")
        wanted = self.vitrim("eval", "dense.safetensors", *data, "--knn", "5")
        own = vitrim.evaluate(self.dense, test, train=train, knn=5, **quiet)
        self.assertEqual((own.correct, own.protocol), (wanted["correct"], wanted["protocol"]))
        self.assertEqual(vitrim.evaluate(self.dense, test, train=train, **quiet).protocol, "20 nearest neighbours")
        wanted = self.vitrim("eval", "dense.safetensors", *data, "--probe")
        own = vitrim.evaluate(self.path("dense.safetensors"), asked, labels, train=known, train_labels=known_labels, probe=True, **quiet)
        self.assertEqual((own.correct, own.protocol), (wanted["correct"], "linear probe"))
        wanted = self.vitrim("eval", "changed.safetensors", "--data", "test", "--retrieval", "--against", "dense.safetensors", "--neighbours", "4")
        own = vitrim.evaluate(self.changed, asked, retrieval=True, against=self.path("dense.safetensors"), neighbours=4, **quiet)
        self.assertEqual((own.retrieval.recall, own.retrieval.neighbours), (wanted["retrieval"]["recall"], 4))
        self.assertEqual(own.retrieval.reference, self.path("dense.safetensors"))
        own = vitrim.evaluate(self.dense, test, train=train, count=3, **quiet)
        self.assertEqual((own.images, own.correct), (3, self.vitrim("eval", "dense.safetensors", *data, "--images", "3")["correct"]))
        for says, wrong in (("^knn and probe are two ways", dict(train=train, knn=3, probe=True)), ("its own nearest neighbour", dict(train=test, count=3)), ("^retrieval compares with another model, knn and probe with labels", dict(retrieval=True, against=self.dense, probe=True)), ("against MODEL", dict(retrieval=True)),
                            ("against and neighbours belong to retrieval", dict(train=train, against=self.dense)), ("knn needs labelled reference images", dict(knn=3)), ("knn is out of range", dict(train=train, knn=0)),
                            ("train_labels are those of", dict(train_labels=[0]))):
            with self.subTest(says, wrong=list(wrong)), self.assertRaisesRegex(ValueError, says):
                vitrim.evaluate(self.dense, test, **wrong, **quiet)

    def test_compress_and_quantize_judge_features(self):
        self.folder_of("train", 12, seed=1)
        pixels, _ = self.folder_of("test", 9, seed=50)
        judged = ("--eval", "test", "--train", "train", "--knn", "3")
        result = self.vitrim("quantize", "dense.safetensors", "--calib", "test", *judged, "-o", "q.safetensors")
        before, after = self.features(self.dense, pixels), self.features(vitrim.load(self.path("q.safetensors")), pixels)
        cosines = np.sort((unit(before) * unit(after)).sum(1))
        # Of the calibration images that the fit did not see: a fifth of these, so between the extremes of all.
        self.assertEqual(result["features"]["images"], len(pixels) // 5)
        for name in ("cosine", "cosine_p05"):
            self.assertTrue(cosines[0] - 1e-4 <= result["features"][name] <= cosines[-1] + 1e-4, (name, result["features"], cosines))
        self.assertGreater(cosines[0], 0.9)
        self.assertEqual(result["compressed"]["protocol"], "3 nearest neighbours")
        self.assertIn("difference", result["paired"])
        result = self.vitrim("compress", "dense.safetensors", "--calib", "train", "--remove", "1", "--epochs", "0", "--te-images", "16", *judged, "-o", "c.safetensors")
        self.assertEqual(len(result["removed"]), 1)
        self.assertGreater(result["features"]["cosine"], 0.5)
        self.assertLessEqual(result["features"]["cosine_p05"], result["features"]["cosine"])
        self.assertEqual(result["compressed"]["protocol"], "3 nearest neighbours")

    def test_mistakes(self):
        self.folder_of("test", 3, seed=50)
        os.makedirs(self.path("other/elsewhere"))
        self.png("other/elsewhere/a.png", np.zeros((32, 32, 3), np.uint8))

        def error(*words, status):
            done = subprocess.run([PROGRAM, *words], cwd=self.folder, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stderr)
            return done.stderr

        model = ("eval", "dense.safetensors", "--data", "test")
        self.assertIn("pass --train DIR", error(*model, status=1))
        self.assertIn("--knn needs labelled reference images", error(*model, "--knn", "3", status=2))
        self.assertIn("pass one", error(*model, "--train", "test", "--knn", "3", "--probe", status=2))
        self.assertIn("other class folders", error(*model, "--train", "other", status=1))
        self.assertIn("must be evaluated on images that it was not fitted to", error(*model, "--train", "test", "--probe", status=1))
        self.assertIn("pass a smaller --neighbours", error(*model, "--retrieval", "--against", "dense.safetensors", "--neighbours", "12", status=1))
        self.assertIn("--against MODEL", error(*model, "--retrieval", status=2))
        self.assertIn("belong to --retrieval", error(*model, "--train", "test", "--against", "dense.safetensors", status=2))


if __name__ == "__main__":
    cases.main("python_features")
