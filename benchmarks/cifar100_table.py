#!/usr/bin/env python3
"""The table of benchmarks/cifar100.sh's rows: top-1 with Wilson's interval, compared in pairs with the dense model that was trained for as many epochs
(same seed, same images).

usage: benchmarks/cifar100_table.py [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import accuracy  # noqa: E402
from paired import interval, mcnemar, paired, read_row, read_rows  # noqa: E402

ROWS = [("dense", "dense, fine-tuned from ImageNet"), ("dense_longer", "dense, fine-tuned as long as the rows below"),
        ("nose_25", "NOSE 25 %, diluted"), ("nose_33", "NOSE 33 %, diluted"), ("random_25", "random 25 %, diluted"),
        ("first_25", "first 25 %, diluted"), ("cut_25", "NOSE's set cut at once, fine-tuned"), ("cut_33", "NOSE's 33 % cut at once, fine-tuned"),
        ("absorbed_25", "NOSE's set absorbed, fine-tuned"), ("absorbed_33", "NOSE's 33 % absorbed, fine-tuned")]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/cifar100"
    results = read_rows(folder)
    print("| row | attention removed | epochs | seed | top-1 (95 % interval) | against dense, trained as long (95 % interval) | McNemar p |")
    print("|---|---|---|---|---|---|---|")
    for name, title in ROWS:
        for seed in sorted(s for n, s in results if n == name):
            r = results[name, seed]
            e = r["evaluation"]
            line = f"| {title} | {', '.join(map(str, r['removed'])) or layers_gone(folder, name)} | {len(r['epochs'])} | {seed} | {accuracy(e)} |"
            base = results.get(("dense_longer", seed))
            if base and name not in ("dense", "dense_longer"):
                a, b = base["evaluation"]["correct"], e["correct"]
                line += f" {interval(paired(a, b))} | {mcnemar(a, b):.2g} |"
            else:
                line += " | |"
            print(line)


def layers_gone(folder, name):
    """Rows that start from an absorbed model: the layers that absorption removed."""
    compressed = read_row(folder, name)
    return ", ".join(map(str, compressed["removed"])) if compressed else "none"


if __name__ == "__main__":
    main()
