#!/usr/bin/env python3
"""The table of benchmarks/merge_vit_tiny.sh's rows: accuracy compared in pairs with the same model without merging, and speed relative to the best
peer's dense model if benchmarks/peers/run.py timed the row.

usage: benchmarks/merge_table.py [RESULTS_DIR [PEERS.json]]; Markdown on standard output.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from paired import read_row, stored_interval  # noqa: E402

PAIRS = (4, 8, 12, 16, 20)
# The model's name in the table, the names of its rows, and its name in the peers' file.
MODELS = (("dense", "dense", "vitrim, dense"), ("less {0, 1, 3}", "cut", "vitrim, less 0,1,3"))


def line(model, pairs, evaluation, pair, speed):
    ratio = f"{speed['ratio']:.2f} ({speed['ratio_p10']:.2f} to {speed['ratio_p90']:.2f})" if speed else ""
    return f"| {model} | {pairs} | {evaluation['params'] / 1e6:.2f} M | {evaluation['macs'] / 1e9:.3f} G | {100 * evaluation['top1']:.1f} % | " \
           f"{stored_interval(pair) if pair else ''} | {ratio} |"


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/merge_vit_tiny"
    with open(sys.argv[2] if len(sys.argv) > 2 else "benchmarks/results/peers/tiny_32.json", encoding="utf-8") as file:
        timed = {row["name"]: row for row in json.load(file)["rows"]}
    print("| model | pairs per block | parameters | MACs | top-1 | difference to unmerged in points (95 % interval) | speed |")
    print("|---|---|---|---|---|---|---|")
    for model, prefix, peer in MODELS:
        results = [(pairs, read_row(folder, f"{prefix}_{pairs}")) for pairs in PAIRS]
        print(line(model, "none", results[0][1]["dense"], None, timed.get(peer)))
        for pairs, row in results:
            print(line(model, pairs, row["compressed"], row["paired"], timed.get(f"{peer}, merged 0:{pairs}".replace("dense, ", ""))))


if __name__ == "__main__":
    main()
