#!/usr/bin/env python3
"""The table of the rows of benchmarks/frugal_vit_tiny.sh, or of int8_plan.sh: top-1 on val700 and dev500 together with Wilson's interval, paired against the dense model on the same
images, and the KL on calibration images kept out of the fit.

usage: benchmarks/two_sets_table.py [RESULTS_DIR]; Markdown on standard output. Rows that are not there yet are left out.
"""

import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from paired import interval, mcnemar, paired, read_row, row_names  # noqa: E402

SETS = ("val700", "dev500")


def wilson(bits):
    n, p, z = len(bits), bits.count("1") / len(bits), 1.959964
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def bits_of(folder, name):
    """What the model got right on both sets, one string of 0 and 1; None where a set is missing."""
    parts = [read_row(folder, f"{name}.{part}") for part in SETS]
    return None if None in parts else "".join(part["correct"] for part in parts)


def treatment(row):
    blocks = row["compressed_spec"]["blocks"]
    static = ", ".join(str(i) for i, block in enumerate(blocks) if block["attention"] == "static")
    removed = ", ".join(map(str, row["removed"]))
    merged = sorted({(block.get("merge", 0), i) for i, block in enumerate(blocks) if block.get("merge", 0) > 0})
    merging = f"{merged[-1][0]} pairs merged in {', '.join(str(i) for _, i in merged)}" if merged else ""
    int8 = "int8" if any(block.get("int8") for block in blocks) else ""
    return "; ".join(text for text in (f"removed {removed}" if removed else "", f"static {static}" if static else "", merging, int8) if text)


def flag(row, name):
    words = row["manifest"]["command"].split()
    return words[words.index(name) + 1] if name in words else "0"


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/frugal_vit_tiny"
    dense = bits_of(folder, "dense")
    if dense is None:
        sys.exit(f"{folder}: the dense model has not been judged yet")
    low, high = wilson(dense)
    print("| attention | views | distilled | MACs | held-out KL | top-1, 1,200 images (95 % interval) | against dense (95 % interval) | McNemar p | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(f"| dense | | | 100 % | | {100 * dense.count('1') / len(dense):.1f} % ({100 * low:.1f} to {100 * high:.1f}) | | | |")
    names = [name for name in row_names(folder) if "." not in name]
    rows = [(name, read_row(folder, name), bits_of(folder, name)) for name in names]
    rows = [(name, row.get("built", row), bits) for name, row, bits in rows]  # a plan's model
    rows = [(name, row, bits) for name, row, bits in rows if bits is not None]
    rows.sort(key=lambda r: (-r[1]["compressed"]["macs"], treatment(r[1]), r[1]["held_out_kl"]))
    for _, row, bits in rows:
        low, high = wilson(bits)
        seconds = sum(s["seconds"] if isinstance(s, dict) else s[1] for s in row["seconds"]) if isinstance(row["seconds"], list) else sum(row["seconds"].values())
        print(f"| {treatment(row)} | {flag(row, '--views')} | {flag(row, '--distill-epochs')} | {100 * row['compressed']['macs'] / row['dense']['macs']:.1f} % | "
              f"{row['held_out_kl']:.3f} | {100 * bits.count('1') / len(bits):.1f} % ({100 * low:.1f} to {100 * high:.1f}) | {interval(paired(dense, bits))} | "
              f"{mcnemar(dense, bits):.2g} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
