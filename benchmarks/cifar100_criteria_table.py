#!/usr/bin/env python3
"""The table of benchmarks/cifar100_criteria.sh's rows: three layers removed and absorbed on a number of images, by the criterion that chose them; top-1
on the 5,000 test images, compared in pairs with the dense model and with the set of the default criterion.

usage: benchmarks/cifar100_criteria_table.py [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import accuracy  # noqa: E402
from paired import interval, mcnemar, paired, read_row, row_names, stored_interval  # noqa: E402

NAMES = {"absorbed": "distortion after absorption (default)", "te": "transfer entropy"}


def table(folder):
    lines = ["| set of three | layers | unlabelled images | held-out KL | top-1 (95 % interval) | against dense (95 % interval) | against the default's set, McNemar p |",
             "|---|---|---|---|---|---|---|"]
    rows = []
    for name in row_names(folder):
        if match := re.fullmatch(r"(\w+)\.images(\d+)", name):
            row = read_row(folder, name)
            rows.append((int(match[2]), row["held_out_kl"], match[1], row))
    default = {images: row["compressed"]["correct"] for images, _, name, row in rows if name == "absorbed"}
    for images, kl, name, row in sorted(rows, key=lambda one: one[:3]):
        result = row["compressed"]
        against = "" if name == "absorbed" or images not in default else \
            f"{interval(paired(default[images], result['correct']))}, p = {mcnemar(default[images], result['correct']):.2g}"
        lines.append(f"| {NAMES.get(name, 'random, seed ' + name[-1])} | {', '.join(map(str, row['removed']))} | {images:,} | {kl:.3f} | {accuracy(result)} | "
                     f"{stored_interval(row['paired'])} | {against} |")
    return "\n".join(lines)


def main():
    print(table(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/cifar100_criteria"))


if __name__ == "__main__":
    main()
