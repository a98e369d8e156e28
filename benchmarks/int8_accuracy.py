#!/usr/bin/env python3
"""The cost of int8 for the real ViT-Ti: the dense model, and models with removed, static and pruned attention and with merged
tokens, each in float32 and in int8. The dense model also has weights of 4 bits. int8 models are measured without calibration and calibrated on 200
images, on val700 and dev500 together (docs/quantization.md).

usage: benchmarks/int8_accuracy.py [--only NAME,...] [--calib-images N]; the data are in the folder that VITRIM_SHARED names, else ../shared.
Models that are already in build/int8 are kept. Writes benchmarks/results/int8/accuracy.json; benchmarks/int8_accuracy_table.py makes the table. No
label and no image of val700 or dev500 is used to make a model. Needs PyTorch and Pillow, and python/vitrim on the path."""

import argparse
import json
import os
import random
import subprocess
import sys

import torch
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "python"))
import vitrim  # noqa: E402

SHARED = os.path.join(os.environ.get("VITRIM_SHARED", os.path.join(ROOT, "..", "shared")), "data")
VITRIM = os.environ.get("VITRIM_BINARY", os.path.join(ROOT, "build/release/vitrim"))
MODELS = os.path.join(ROOT, "build/int8")
RESULTS = os.path.join(ROOT, "benchmarks/results/int8/accuracy.json")
PREPARE = ["--mean", "0.5", "--std", "0.5", "--crop", "224"]
CALIB = os.path.join(SHARED, "imagenet_calib1000")
# The arguments of vitrim that make each base model from the dense one, with 300 calibration images each.
BASES = {
    "dense": None,
    "4 attention layers absorbed": ["compress", "{dense}", "--remove", "4", "--calib", CALIB, "--images", "300"],
    "3 attention layers static": ["compress", "{dense}", "--static", "0,1,3", "--calib", CALIB, "--images", "300"],
    "attention pruned to 60 %": ["prune", "{dense}", "--few-shot", "--attention-macs", "60%", "--data", CALIB, "--images", "300"],
    "8 pairs merged a block": ["merge", "{dense}", "--r", "8", "--pays-at", "0"],
}


def make(output, *arguments):
    if not os.path.exists(output):
        subprocess.run([VITRIM, *arguments, "-o", output, "--quiet"], check=True)


def images(name, resize):
    """Tensors [3, 224, 224] and labels of a folder of folders."""
    with open(os.path.join(SHARED, "imagenet_synsets.txt")) as file:
        number = {line.split()[0]: index for index, line in enumerate(file)}
    for folder in sorted(os.listdir(os.path.join(SHARED, name))):
        for file in sorted(os.listdir(os.path.join(SHARED, name, folder))):
            picture = Image.open(os.path.join(SHARED, name, folder, file)).convert("RGB")
            if resize:
                scale = resize / min(picture.size)
                picture = picture.resize([max(resize, round(side * scale)) for side in picture.size], Image.BICUBIC)
            left, top = ((side - 224 + 1) // 2 for side in picture.size)
            pixels = torch.frombuffer(bytearray(picture.crop((left, top, left + 224, top + 224)).tobytes()), dtype=torch.uint8)
            yield pixels.reshape(224, 224, 3).permute(2, 0, 1).float() / 127.5 - 1, number[folder]


def answers(path, batches):
    model = vitrim.load(path)
    with torch.no_grad():
        return torch.cat([model(batch) for batch in batches])


def paired(before, after, rounds=2000):
    """The difference of two lists of correct predictions in points, and its 95 % bootstrap interval."""
    differences = [int(b) - int(a) for a, b in zip(before, after)]
    draw, n = random.Random(0), len(differences)
    means = sorted(sum(draw.choices(differences, k=n)) / n for _ in range(rounds))
    return 100 * sum(differences) / n, [100 * means[int(rounds * 0.025)], 100 * means[int(rounds * 0.975)]]


def compare(reference, changed, labels, sets):
    before, after = reference.argmax(1), changed.argmax(1)
    difference, interval = paired((before == labels).tolist(), (after == labels).tolist())
    p, q = reference.double().log_softmax(1), changed.double().log_softmax(1)
    out = {"difference": difference, "interval": interval, "agreement": (before == after).double().mean().item(),
           "kl": (p.exp() * (p - q)).sum(1).mean().item()}
    for name, (begin, end) in sets.items():
        out[name] = (after == labels)[begin:end].double().mean().item()
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="bases to measure, with commas between; the others' figures are kept")
    parser.add_argument("--calib-images", type=int, default=200)
    flags = parser.parse_args()
    os.makedirs(MODELS, exist_ok=True)
    batches, labels, sets = [], [], {}
    for name, resize in (("val700", None), ("dev500", 248)):
        begin, pictures = len(labels), []
        for picture, label in images("imagenet_" + name, resize):
            pictures.append(picture)
            labels.append(label)
        batches += list(torch.stack(pictures).split(50))
        sets[name] = (begin, len(labels))
    labels = torch.tensor(labels)
    dense = os.path.join(MODELS, "dense.safetensors")
    make(dense, "export", os.path.join(SHARED, "vit_tiny_imagenet1k/model.safetensors"), "--format", "safetensors", "--mean", "0.5", "--std", "0.5")
    old = []
    if os.path.exists(RESULTS):
        with open(RESULTS) as file:
            old = json.load(file)["rows"]
    rows = []
    for base, how in BASES.items():
        if flags.only and base not in flags.only.split(","):
            rows += [row for row in old if row["base"] == base]
            continue
        start = os.path.join(MODELS, base.replace(" ", "_").replace("%", "percent"))
        path = dense if how is None else start + ".safetensors"
        if how is not None:
            make(path, *[argument.replace("{dense}", dense) for argument in how], *([] if how[0] == "merge" else PREPARE + ["--resize", "248"]))
        forms = {"float32": path}
        for bits, name in (("8", "int8"), ("4", "int8, 4-bit weights"))[:1 if how else 2]:
            forms[name], forms[name + ", calibrated"] = (f"{start}_{bits}bits{end}.safetensors" for end in ("", "_calibrated"))
            make(forms[name], "quantize", path, "--weight-bits", bits)
            make(forms[name + ", calibrated"], "quantize", path, "--weight-bits", bits, "--calib", CALIB, "--images", str(flags.calib_images), *PREPARE, "--resize", "248")
        reference = answers(path, batches)
        for form, file in forms.items():
            row = {"base": base, "form": form, "bytes": os.path.getsize(file), **compare(reference, answers(file, batches), labels, sets)}
            rows.append(row)
            print(base, form, {key: value for key, value in row.items() if key not in ("base", "form")}, flush=True)
    with open(RESULTS, "w") as file:
        json.dump({"images": len(labels), "calibration_images": flags.calib_images, "rows": rows}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
