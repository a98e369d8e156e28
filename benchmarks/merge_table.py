#!/usr/bin/env python3
"""The table of benchmarks/merge_vit_tiny.sh's rows: accuracy compared in pairs with the same model without merging, and speed relative to the best
peer's dense model if benchmarks/peers/run.py timed the row. With --speed, removal, merging and both at about equal accuracy, timed against the dense model.

usage: benchmarks/merge_table.py [--speed] [RESULTS_DIR [PEERS.json]]; Markdown on standard output.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import speed  # noqa: E402
from paired import read_row, stored_interval  # noqa: E402

PAIRS = (4, 8, 12, 16, 20)
# The model's name in the table, the names of its rows, and its name in the peers' file.
MODELS = (("dense", "dense", "vitrim, dense"), ("less {0, 1, 3}", "cut", "vitrim, less 0,1,3"))
# The rows of --speed: title, name of the timed file, result, and its evaluation.
TIMED = (("dense", "model", "dense_12", "dense"), ("removal: less {0, 1, 3}", "removed_3", "cut_12", "dense"),
         ("merging: 17 pairs a block", "dense_17", "dense_17", "compressed"), ("merging: 18 pairs a block", "dense_18", "dense_18", "compressed"),
         ("both: less {0, 1, 3}, 18 pairs", "cut_18", "cut_18", "compressed"), ("both: less {0, 1, 3}, 20 pairs", "cut_20", "cut_20", "compressed"))


def line(model, pairs, evaluation, pair, timed):
    ratio = speed(timed, "ratio") if timed else ""
    return f"| {model} | {pairs} | {evaluation['params'] / 1e6:.2f} M | {evaluation['macs'] / 1e9:.3f} G | {100 * evaluation['top1']:.1f} % | " \
           f"{stored_interval(pair) if pair else ''} | {ratio} |"


def at_equal_accuracy(folder):
    rows = {row["name"].split(".")[0]: row for row in read_row(folder, "speed")["rows"]}
    print("| model | top-1 | parameters | MACs | weights | to work in | images/s | times dense |\n|---|---|---|---|---|---|---|---|")
    for title, name, result, which in TIMED:
        row, top1 = rows[name], read_row(folder, result)[which]["top1"]
        print(f"| {title} | {100 * top1:.1f} % | {row['params'] / 1e6:.2f} M | {row['macs'] / 1e9:.3f} G | {row['weight_bytes'] / 1e6:.1f} MB | "
              f"{row['work_bytes'] / 1e6:.1f} MB | {row['images_per_second']:.0f} | {1 if name == 'model' else speed(row)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="benchmarks/results/merge_vit_tiny")
    parser.add_argument("peers", nargs="?", default="benchmarks/results/peers/tiny_32.json")
    parser.add_argument("--speed", action="store_true", help="removal, merging and both at about equal accuracy")
    flags = parser.parse_args()
    if flags.speed:
        at_equal_accuracy(flags.folder)
        return
    folder = flags.folder
    with open(flags.peers, encoding="utf-8") as file:
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
