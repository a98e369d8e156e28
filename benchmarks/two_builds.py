#!/usr/bin/env python3
"""Compares the engine of two builds of libvitrim.so on the same random weights, interleaved (A B B A) in one process, to see whether a change makes it
slower.

usage: benchmarks/two_builds.py OLD.so NEW.so [--rounds 15]; needs PyTorch for the images, and `vitrim` (VITRIM_BINARY, else build/release/vitrim) for the weights,
which are kept in build/two_builds. A ratio above 1 means that NEW.so is faster. Prints Markdown.
"""

import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(HERE, "peers"))
import numpy  # noqa: E402
import torch  # noqa: E402
from engines import Vitrim  # noqa: E402

ROWS = (("deit_small_patch16_224", 1, "bf16"), ("deit_small_patch16_224", 32, "bf16"), ("deit_small_patch16_224", 8, "f32"), ("deit_base_patch16_224", 1, "bf16"),
        ("deit_base_patch16_224", 8, "bf16"), ("swin_tiny_patch4_window7_224", 8, "bf16"), ("pvt_v2_b1", 8, "bf16"), ("flatten_swin_tiny_patch4_224", 8, "bf16"), ("cswin_tiny", 8, "bf16"))


def weights(model):
    folder = os.path.join(ROOT, "build/two_builds")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, model + ".safetensors")
    if not os.path.exists(path):
        vitrim = os.environ.get("VITRIM_BINARY", os.path.join(ROOT, "build/release/vitrim"))
        subprocess.run([vitrim, "export", model, "--format", "safetensors", "-o", path, "--quiet"], check=True)
    return path


def seconds(entry):
    start = time.perf_counter()
    entry.call()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print("| model | batch | precision | old, ms | new, ms | old / new (p10 to p90) |\n|---|---|---|---|---|---|")
    for model, batch, precision in ROWS:
        images = torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        old, new = (Vitrim(library, weights(model), images, args.threads, precision) for library in (args.old, args.new))
        wanted, got = old.call(), new.call()
        # A few roundings in the type of the products, relative to the size of the outputs.
        if not numpy.abs(wanted - got).max() <= (0.05 if precision == "bf16" else 1e-4) * numpy.abs(wanted).max():
            sys.exit(f"{model}: the outputs of the two builds differ; nothing is timed")
        times = []
        for _ in range(args.rounds):
            a, b, c, d = seconds(old), seconds(new), seconds(new), seconds(old)
            times += [(a, b), (d, c)]
        times = numpy.array(times)
        ratio = times[:, 0] / times[:, 1]
        low, high = numpy.percentile(ratio, (10, 90))
        print(f"| {model} | {batch} | {precision} | {1e3 * numpy.median(times[:, 0]):.2f} | {1e3 * numpy.median(times[:, 1]):.2f} | {numpy.median(ratio):.2f} ({low:.2f} to {high:.2f}) |", flush=True)


if __name__ == "__main__":
    main()
