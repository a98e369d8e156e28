#!/usr/bin/env python3
"""The speed of the CPU engine in bfloat16 against its requirements, from the results of peers/run.py, libtorch_path.sh and engine_deit_base.json; with
--relative, the speed of smaller models relative to the dense one on each path.

usage: benchmarks/speed_table.py [--relative] [RESULTS_DIR]; Markdown on standard output.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import speed  # noqa: E402

CUTS = ("0,1,3,4,6", "0,1,3,4,6,9", "0,1,3,4,6,9, merged 0:14")
LIBTORCH = ("less_40", "less_50", "less_50_merged")
PAPER = (1.205, 1.365, 1.696)  # NOSE on a V100
# What is compared with the dense model of the best peer: its title, required ratio, target, [(file, row)], and the number of the cut.
REQUIRED = [("DeiT-S, dense, batch 32 and 1", 1.5, 3, [("small_32", "vitrim, dense"), ("small_1", "vitrim, dense")], None),
            ("DeiT-B, dense, batch 32 and 1", 1.5, 3, [("base_32", "vitrim, dense"), ("base_1", "vitrim, dense")], None),
            ("DeiT-B less 40 % of its attention, batch 32", 1.8, 3.5, [("base_32", "vitrim, less " + CUTS[0])], 0),
            ("DeiT-B less 50 %, batch 32", 1.85, 3.6, [("base_32", "vitrim, less " + CUTS[1])], 1),
            ("DeiT-B less 50 %, merged by 14 from the first block, batch 32", 2.1, 4.3, [("base_32", "vitrim, less " + CUTS[2])], 2),
            ("ViT-Ti less 25 %, merged within 1.5 points of itself", 2.5, 5, [("tiny_32", "vitrim, less 0,1,3, merged 0:20")], None)]


def rows(*path):
    with open(os.path.join(*path) + ".json", encoding="utf-8") as file:
        return json.load(file)["rows"]


def libtorch(folder):
    """The rows of the three cuts on LibTorch's path."""
    found = {row["name"].split(".")[0]: row for row in rows(folder, "libtorch_path", "deit_base_32")}
    return [found[name] for name in LIBTORCH]


def ratio(folder, file, name):
    return next(row["ratio"] for row in rows(folder, "peers", file) if row["name"] == name)


def listed(values, form=".2f"):
    return ", ".join(f"{value:{form}}" for value in values)


def requirements(folder):
    cut = libtorch(folder)
    print("| work, native engine, over the best peer's dense model | required | target | reached | by MACs alone |\n|---|---|---|---|---|")
    for title, required, target, entries, number in REQUIRED:
        reached = [ratio(folder, *entry) for entry in entries]
        missed = " (missed)" if min(reached) < required else ""
        print(f"| {title} | {required:g} | {target:g} | {listed(reached)}{missed} | {'' if number is None else listed([cut[number]['predicted']]) + ' '}|")
    peak = next(row["share_of_peak"] for row in rows(folder, "engine_deit_base") if row["batch"] == 32)
    print(f"| share of the cores' bfloat16 peak, dense DeiT-B, batch 32 | 25 % | 50 % | {100 * peak:.0f} %{' (missed)' if peak < 0.25 else ''} | |")
    print(f"| the three cut DeiT-B on LibTorch's path, over dense on that path | the paper's {listed(PAPER, '.3f')} on a V100 | | "
          f"{listed(row['speedup'] for row in cut)} | {listed(row['predicted'] for row in cut)} |")


def relative(folder):
    cut = libtorch(folder)
    dense = ratio(folder, "base_32", "vitrim, dense")
    lines = [("predicted by multiply-adds", [f"{row['predicted']:.2f}" for row in cut]),
             ("vitrim's engine", [f"{ratio(folder, 'base_32', 'vitrim, less ' + name) / dense:.2f}" for name in CUTS]),
             (f"LibTorch's path (eager, bfloat16), {cut[0]['rounds']} rounds", [speed(row) for row in cut]),
             ("the paper, on a V100", [f"{value:.3f}" for value in PAPER])]
    print("| speed relative to dense | less 40 % | less 50 % | less 50 %, merged |\n|---|---|---|---|")
    for title, cells in lines:
        print(f"| {title} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="benchmarks/results")
    parser.add_argument("--relative", action="store_true", help="smaller models relative to the dense one")
    flags = parser.parse_args()
    (relative if flags.relative else requirements)(flags.folder)


if __name__ == "__main__":
    main()
