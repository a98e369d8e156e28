#!/usr/bin/env python3
"""The table of benchmarks/apma_cifar100.sh's rows: top-1 with Wilson's interval, paired against the dense model trained as long and against APMA.

usage: benchmarks/apma_cifar100_table.py [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import accuracy  # noqa: E402
from paired import interval, mcnemar, paired, read_row  # noqa: E402

MODELS = [("vit", "ViT-Ti, 75 % of all MACs"), ("pvt", "FLatten-PVT, 60 % of the attention's MACs")]
ROWS = [("start", "as it was trained"), ("dense", "dense, trained as long as the rows below"), ("apma", "APMA"), ("magnitude", "magnitude"),
        ("energy", "activation energy"), ("random", "random")]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/apma_cifar100"
    print("| model | channels by | epochs | top-1 (95 % interval) | against dense, trained as long | against APMA | McNemar p |")
    print("|---|---|---|---|---|---|---|")
    for model, title in MODELS:
        dense, own = read_row(folder, model + "_dense"), read_row(folder, model + "_apma")
        for name, row in ROWS:
            r = read_row(folder, f"{model}_{name}")
            if r is None:
                continue
            e = r["evaluation"]
            line = f"| {title} | {row} | {len(r['epochs'])} | {accuracy(e)} | "
            compared = name not in ("start", "dense")
            line += (interval(paired(dense["evaluation"]["correct"], e["correct"])) if dense and compared else "") + " | "
            other = own["evaluation"]["correct"] if own and compared and name != "apma" else None
            print(line + (f"{interval(paired(other, e['correct']))} | {mcnemar(other, e['correct']):.2g} |" if other else "| |"))


if __name__ == "__main__":
    main()
