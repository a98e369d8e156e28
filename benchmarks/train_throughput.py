#!/usr/bin/env python3
"""Training throughput: vitrim against the same loop in PyTorch, eager and torch.compile, both with bf16 autocast on the CPU.

usage: benchmarks/train_throughput.py [--models tiny,small] [--batches 32,128] [--steps 6] [--rounds 3] [-o FILE.json]

All ways use the same recipe (AdamW, cosine schedule, gradient clipping, label smoothing, no augmentation) on the same JPEG files (224 px, made here
from drawn images). vitrim decodes them on its cores; PyTorch uses a DataLoader with 0 or 2 workers, whichever is faster. One epoch consists of exactly
the warm-up and the timed steps, so that no end of an epoch is timed; the time is wall-clock time over the same steps, in the same environment (threads,
OMP_WAIT_POLICY). The ways take turns (A B C A B C ...), each in a fresh process that warms up before it is timed. A figure is the median of the rounds,
and the result is a ratio of figures. A busy machine slows all of them alike, so the ratio stays valid; absolute figures are not meaningful. The way
"two" is vitrim as two processes with one thread each, at the same global batch. Needs a python with torch, numpy and Pillow.
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
WARM_UP = 3
ENVIRONMENT = dict(os.environ, OMP_WAIT_POLICY="passive")


def make_images(folder, count):
    import numpy
    from PIL import Image
    draw = numpy.random.default_rng(0)
    for i in range(count):
        target = os.path.join(folder, f"class{i % 8}")
        os.makedirs(target, exist_ok=True)
        small = draw.integers(0, 256, (14, 14, 3), dtype=numpy.uint8)
        Image.fromarray(small).resize((224, 224), Image.BICUBIC).save(os.path.join(target, f"{i:05}.jpg"), quality=90)


def run_vitrim(program, spec, images, batch, steps, folder, processes=1):
    """Images per second over the steps after the warm-up."""
    log = os.path.join(folder, "log.jsonl")
    start = [program] if processes == 1 else [sys.executable, "-m", "torch.distributed.run", "--no-python", "--nproc-per-node", str(processes), "--", program]
    environment = dict(ENVIRONMENT)
    if processes > 1:
        environment["OMP_NUM_THREADS"] = str(max(1, os.cpu_count() // processes))
    for name in os.listdir(folder):
        if name.startswith("out"):
            os.remove(os.path.join(folder, name))
    subprocess.run([*start, "train", "--spec", spec, "--recipe", "plain", "--label-smoothing", "0.1", "--data", images, "--mean", "0.5", "--std", "0.5",
                    "--resize", "none", "--batch-size", str(batch), "--epochs", "1", "--warm-up-epochs", "0", "--precision", "bf16",
                    "--log-every", "1", "--log", log, "--quiet", "-o", os.path.join(folder, "out.safetensors")], check=True, env=environment,
                   stderr=subprocess.DEVNULL if processes > 1 else None)
    seconds = []
    with open(log, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event.get("event") == "step":
                seconds.append(batch / event["images_per_second"])
    assert len(seconds) == steps + WARM_UP, len(seconds)
    return batch * steps / sum(seconds[WARM_UP:])


def run_torch(way, width, heads, images, batch, steps, workers):
    command = [sys.executable, os.path.join(ROOT, "benchmarks", "train_torch.py"), way, str(width), str(heads), images, str(batch), str(steps), str(WARM_UP), str(workers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout.split()[-1])


def facts():
    """The machine and the versions."""
    import platform
    import torch
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {"git_commit": commit, "python": platform.python_version(), "torch": torch.__version__, "cpu": cpu,
            "instruction_set": torch.backends.cpu.get_cpu_capability(), "threads": os.cpu_count(), "seed": 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="tiny,small")
    parser.add_argument("--batches", default="32,128")
    parser.add_argument("--ways", default="vitrim,eager,compile,two")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "vitrim"))
    parser.add_argument("-o", "--output")
    flags = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="vitrim-throughput-")
    ways = flags.ways.split(",")
    results = []
    try:
        for batch in map(int, flags.batches.split(",")):
            images = os.path.join(folder, f"images{batch}")
            make_images(images, (flags.steps + WARM_UP) * batch)
            for model in flags.models.split(","):
                width, heads = SIZES[model]
                workers = {}

                def rate(way, steps, count):
                    if way in ("vitrim", "two"):
                        return run_vitrim(flags.program, f"deit_{model}_patch16_224", images, batch, steps, folder, 2 if way == "two" else 1)
                    return run_torch(way, width, heads, images, batch, steps, count)

                for way in ways:
                    if way in ("eager", "compile"):
                        tried = {count: rate(way, max(2, flags.steps // 3), count) for count in (0, 2)}
                        workers[way] = max(tried, key=tried.get)
                rates = {way: [] for way in ways}
                for _ in range(flags.rounds):
                    for way in ways:
                        rates[way].append(rate(way, flags.steps, workers.get(way)))
                row = {"model": model, "batch": batch, "steps": flags.steps, "rounds": flags.rounds, "workers": workers,
                       "images_per_second": {way: {"median": statistics.median(r), "min": min(r), "max": max(r)} for way, r in rates.items()}}
                # Ratios within a round, because a disturbance slows both: vitrim over PyTorch's ways; two processes over one.
                ratios = {way: [b / a if way == "two" else a / b for a, b in zip(rates[ways[0]], r)] for way, r in rates.items() if way != ways[0]}
                row["ratio"] = {way: {"median": statistics.median(r), "min": min(r), "max": max(r)} for way, r in ratios.items()}
                print(json.dumps(row), flush=True)
                results.append(row)
    finally:
        shutil.rmtree(folder)
    if flags.output:
        with open(flags.output, "w", encoding="utf-8") as file:
            json.dump({"command": " ".join(sys.argv), **facts(), "results": results}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
