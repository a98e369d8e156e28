#!/usr/bin/env python3
"""Training throughput: vitrim against the same loop in PyTorch, eager and torch.compile, both with bf16 autocast on the CPU.

usage: benchmarks/train_throughput.py [--models tiny,small] [--batches 32,128] [--steps 12] [--rounds 5] [-o FILE.json]

The same recipe everywhere (AdamW, cosine schedule, gradient clipping, label smoothing, no augmentation) on the same JPEG files (224 px, made
here from drawn images), decoded anew every epoch: by vitrim on its cores, by PyTorch in a DataLoader whose number of workers is the best of 0, 1, 2. The
ways take turns (A B C A B C ...), each round a fresh process that warms up before it is timed; the figure is the median of rounds, the result the ratio. A
busy machine slows all of them, and the ratio stays; absolute figures mean nothing. Needs a python with torch, numpy and Pillow.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIZES = {"tiny": (192, 3), "small": (384, 6)}
IMAGES = 512


def make_images(folder):
    import numpy
    from PIL import Image
    draw = numpy.random.default_rng(0)
    for i in range(IMAGES):
        target = os.path.join(folder, f"class{i % 8}")
        os.makedirs(target, exist_ok=True)
        small = draw.integers(0, 256, (14, 14, 3), dtype=numpy.uint8)
        Image.fromarray(small).resize((224, 224), Image.BICUBIC).save(os.path.join(target, f"{i:04}.jpg"), quality=90)


def run_vitrim(program, spec, images, batch, steps, folder):
    """Images a second over the steps behind the first four."""
    log = os.path.join(folder, "log.jsonl")
    epochs = -(-(steps + 4) * batch // IMAGES)
    subprocess.run([program, "train", "--spec", spec, "--recipe", "plain", "--label-smoothing", "0.1", "--data", images, "--mean", "0.5", "--std", "0.5",
                    "--resize", "none", "--batch-size", str(batch), "--epochs", str(epochs), "--warm-up-epochs", "0", "--precision", "bf16", "--log-every", "1",
                    "--log", log, "--state", os.path.join(folder, "state"), "--quiet", "-o", os.path.join(folder, "out.safetensors")], check=True)
    rates = []
    with open(log, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event.get("event") == "step":
                rates.append(event["images_per_second"])
    seconds = [batch / r for r in rates[4:4 + steps]]
    return batch * len(seconds) / sum(seconds)


def run_torch(way, width, heads, images, batch, steps, workers):
    command = [sys.executable, os.path.join(ROOT, "benchmarks", "train_torch.py"), way, str(width), str(heads), images, str(batch), str(steps), str(workers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="tiny,small")
    parser.add_argument("--batches", default="32,128")
    parser.add_argument("--ways", default="vitrim,eager,compile")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "vitrim"))
    parser.add_argument("-o", "--output")
    flags = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="vitrim-throughput-")
    results = []
    try:
        images = os.path.join(folder, "images")
        make_images(images)
        for model in flags.models.split(","):
            width, heads = SIZES[model]
            spec = f"deit_{model}_patch16_224"
            for batch in map(int, flags.batches.split(",")):
                ways = flags.ways.split(",")
                workers = {}
                for way in ways:
                    if way != "vitrim":
                        tried = {w: run_torch(way, width, heads, images, batch, max(4, flags.steps // 3), w) for w in (0, 1, 2)}
                        workers[way] = max(tried, key=tried.get)
                rates = {way: [] for way in ways}
                for _ in range(flags.rounds):
                    for way in ways:
                        rates[way].append(run_vitrim(flags.program, spec, images, batch, flags.steps, folder) if way == "vitrim" else
                                          run_torch(way, width, heads, images, batch, flags.steps, workers[way]))
                row = {"model": model, "batch": batch, "steps": flags.steps, "rounds": flags.rounds, "workers": workers,
                       "images_per_second": {way: {"median": statistics.median(r), "min": min(r), "max": max(r)} for way, r in rates.items()}}
                # Ratios within a round: what slowed one slowed the other.
                row["ratio"] = {way: statistics.median(a / b for a, b in zip(rates["vitrim"], r)) for way, r in rates.items() if way != "vitrim"}
                print(json.dumps(row), flush=True)
                results.append(row)
    finally:
        shutil.rmtree(folder)
    if flags.output:
        with open(flags.output, "w", encoding="utf-8") as file:
            json.dump({"command": " ".join(sys.argv), "results": results}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
