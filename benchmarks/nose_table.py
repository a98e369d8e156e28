#!/usr/bin/env python3
"""The tables of benchmarks/nose_vit_tiny.sh's rows: the cost of removing a number of layers, and with --controls all sets of layers that were tried,
ordered by the distortion on calibration images held out from the fit.

usage: benchmarks/nose_table.py [--controls] [RESULTS_DIR]; Markdown on standard output.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import accuracy  # noqa: E402
from paired import read_row, row_names, stored_interval  # noqa: E402


def layers(numbers):
    return ", ".join(map(str, numbers))


def line(name, removed, evaluation, pair):
    difference = f"{stored_interval(pair)}, p = {pair['mcnemar_p']:.2g}" if pair else ""
    return f"| {name} | {removed} | {evaluation['params'] / 1e6:.3f} M | {evaluation['macs'] / 1e9:.3f} G | {accuracy(evaluation)} | {difference} |"


def rows(folder):
    print("| model | attention removed | parameters | MACs | top-1 (95 % interval) | difference to dense in points (95 % interval), McNemar p |")
    print("|---|---|---|---|---|---|")
    names = sorted((name for name in row_names(folder) if name.isdigit()), key=int)
    print(line("dense, bfloat16", "none", read_row(folder, names[0])["dense"], None))
    for name in names:
        row = read_row(folder, name)
        print(line(f"`--remove {name}`", layers(row["removed"]), row["compressed"], row["paired"]))


def controls(folder):
    row = read_row(folder, "controls")
    sets = [(row["held_out_kl"], f"**{row['reason']} (default)**", row["removed"], row["compressed"], row["paired"])]
    sets += [(one["held_out_kl"], one["name"], one["layers"], one["eval"], one["paired"]) for one in row["controls"]]
    print("| set of three | layers | held-out KL | top-1 | difference to dense in points (95 % interval) |")
    print("|---|---|---|---|---|")
    for kl, name, removed, evaluation, pair in sorted(sets, key=lambda one: one[0]):
        print(f"| {name} | {layers(removed)} | {kl:.3f} | {100 * evaluation['top1']:.1f} % | {stored_interval(pair)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="benchmarks/results/nose_vit_tiny")
    parser.add_argument("--controls", action="store_true", help="the sets of three layers at equal budget")
    flags = parser.parse_args()
    (controls if flags.controls else rows)(flags.folder)


if __name__ == "__main__":
    main()
