#!/usr/bin/env python3
"""The table of the rows of benchmarks/segmentation_synthetic.sh and segmentation_camvid.sh: mIoU with its interval, and the paired difference to the
dense model that was trained for as many epochs, both bootstrapped over images from the pixel counts in the result files.

usage: benchmarks/segmentation_table.py [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import percent  # noqa: E402
from paired import interval, read_rows  # noqa: E402

ROWS = [("start", "dense, from the classifier's weights"), ("dense", "dense, trained as long as the rows below"), ("nose_25", "NOSE 25 %, diluted"),
        ("absorbed_25_before", "25 % removed and absorbed, not yet trained"), ("absorbed_25", "25 % removed and absorbed, then trained"),
        ("static_25_before", "25 % static, not yet trained"), ("static_25", "25 % static, then trained"), ("nose_50", "NOSE 50 %, diluted"),
        ("absorbed_50_before", "50 % removed and absorbed, not yet trained"), ("absorbed_50", "50 % removed and absorbed, then trained"),
        ("static_50_before", "50 % static, not yet trained"), ("static_50", "50 % static, then trained")]
RESAMPLES = 2000


def evaluation_of(result):
    """The evaluation of a training run, or that of compress."""
    return result["evaluation"] if "evaluation" in result else result["compressed"]


def changed_layers(result):
    """The layers without attention or with static attention."""
    if "compressed_spec" not in result:
        return result["removed"]
    return [i for i, block in enumerate(result["compressed_spec"]["blocks"]) if block["attention"] in ("none", "static")]


def images_of(result):
    """Per image the (class, labelled, predicted, both) of the classes that occur."""
    return [[tuple(map(int, one.split())) for one in image.split(",")] if image else [] for image in evaluation_of(result)["segmentation"]["pixels"]]


def miou(images, drawn):
    """Mean over the classes that occur of both / (labelled + predicted - both)."""
    sums = {}
    for i in drawn:
        for c, labelled, said, both in images[i]:
            old = sums.get(c, (0, 0))
            sums[c] = (old[0] + both, old[1] + labelled + said - both)
    return sum(both / either for both, either in sums.values()) / len(sums)


def paired(a, b):
    """Difference b - a in points with its bootstrap interval over images."""
    draw, n = random.Random(0), len(a)
    differences = []
    for _ in range(RESAMPLES):
        drawn = draw.choices(range(n), k=n)
        differences.append(100 * (miou(b, drawn) - miou(a, drawn)))
    differences.sort()
    whole = range(n)
    return 100 * (miou(b, whole) - miou(a, whole)), differences[RESAMPLES // 40], differences[-1 - RESAMPLES // 40]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/segmentation_synthetic"
    results = read_rows(folder)
    print("| row | layers | epochs | seed | parameters | MACs | mIoU (95 % interval) | pixel accuracy | against dense, trained as long (95 % interval) |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, title in ROWS:
        for seed in sorted(s for n, s in results if n == name):
            r = results[name, seed]
            before = results.get((f"{name}_before", seed))  # the trained model has its layers
            e = evaluation_of(r)
            figures = e["segmentation"]
            line = f"| {title} | {', '.join(map(str, changed_layers(before or r))) or 'none'} | {len(r.get('epochs', []))} | {seed} | {e['params'] / 1e6:.2f} M | " \
                   f"{e['macs'] / 1e6:,.1f} M | {percent(figures['miou'], *figures['miou_ci95'])} | {100 * figures['pixel_accuracy']:.1f} % |"
            base = results.get(("start" if name.endswith("_before") else "dense", seed))
            if base and name not in ("start", "dense"):
                line += f" {interval(paired(images_of(base), images_of(r)))} |"
            else:
                line += " |"
            print(line)


if __name__ == "__main__":
    main()
