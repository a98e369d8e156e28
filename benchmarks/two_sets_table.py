#!/usr/bin/env python3
"""The table of the rows of benchmarks/frugal_vit_tiny.sh, or of int8_plan.sh: top-1 on val700 and dev500 together with Wilson's interval, the paired
difference to the dense model on the same images, and the KL divergence on calibration images held out from the fit.

usage: benchmarks/two_sets_table.py [--rows REGEX] [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import argparse
import math
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import percent  # noqa: E402
from paired import interval, mcnemar, paired, read_row, row_names  # noqa: E402

SETS = ("val700", "dev500")


def wilson(bits):
    n, p, z = len(bits), bits.count("1") / len(bits), 1.959964
    middle, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def accuracy_of(bits):
    return percent(bits.count("1") / len(bits), *wilson(bits))


def bits_of(folder, name):
    """The correct predictions of the model on both sets, one string of 0 and 1; None if a set is missing."""
    parts = [read_row(folder, f"{name}.{part}") for part in SETS]
    return None if None in parts else "".join(part["correct"] for part in parts)


def listed(blocks):
    """Numbers in order; from five consecutive ones on, "2 to 6"."""
    blocks = sorted(blocks)
    return f"{blocks[0]} to {blocks[-1]}" if len(blocks) > 4 and blocks[-1] - blocks[0] == len(blocks) - 1 else ", ".join(map(str, blocks))


def treatment(row):
    blocks = row["compressed_spec"]["blocks"]
    static = listed(i for i, block in enumerate(blocks) if block["attention"] == "static")
    removed = listed(row["removed"])
    pairs = max(block.get("merge", 0) for block in blocks)
    merging = f"{pairs} pairs merged in {listed(i for i, block in enumerate(blocks) if block.get('merge', 0))}" if pairs else ""
    criterion = row["reason"].split("; ")[-1].split(",")[0]  # the reason of a removal comes first
    channels = [f"{what} pruned ({criterion})" for what, keys in (("attention", ("qk_dim", "v_dim")), ("MLPs", ("mlp_dim",)))
                if any(small["attention"] == whole["attention"] and small[key] < whole[key] for small, whole in zip(blocks, row["dense_spec"]["blocks"]) for key in keys)]
    int8 = "int8" if any(block.get("int8") for block in blocks) else ""
    return "; ".join(text for text in (f"removed {removed}" if removed else "", f"static {static}" if static else "", *channels, merging, int8) if text)


def flag(row, name):
    words = row["manifest"]["command"].split()
    return words[words.index(name) + 1] if name in words else ""


SOURCES = {"camvid": "CamVid", "cifar100": "CIFAR-100", "mixed": "1,000, CamVid and CIFAR-100", "imagenet_calib1000": "1,000"}


def fitted_on(row):
    """The images of the fit, and the options other than the defaults."""
    source = os.path.basename((flag(row, "--calib") or flag(row, "--data")).rstrip("/"))
    text = flag(row, "--images") or SOURCES.get(source, source)
    if views := flag(row, "--views"):
        text += f", {views} views each"
    if sweeps := flag(row, "--sweeps"):
        text += f", {sweeps} passes over all blocks"
    if (setting := flag(row, "--set")).startswith("fit.pair_epochs="):
        epochs = setting.split("=")[1]
        text += f", {epochs} {'epoch' if epochs == '1' else 'epochs'} of two blocks together"
    if epochs := flag(row, "--distill-epochs"):
        text += f", distilled for at most {epochs} epochs"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="benchmarks/results/frugal_vit_tiny")
    parser.add_argument("--rows", help="only rows whose name matches this regular expression")
    flags = parser.parse_args()
    dense = bits_of(flags.folder, "dense")
    if dense is None:
        sys.exit(f"{flags.folder}: the dense model has not been evaluated yet")
    names = [name for name in row_names(flags.folder) if "." not in name and (not flags.rows or re.fullmatch(flags.rows, name))]
    rows = [(read_row(flags.folder, name), bits_of(flags.folder, name)) for name in names]
    rows = [(row.get("built", row), bits) for row, bits in rows if bits is not None]  # "built": a plan's model
    rows.sort(key=lambda r: (-r[0]["compressed"]["macs"], treatment(r[0]), r[0]["held_out_kl"]))
    sources = [fitted_on(row) for row, _ in rows]
    fitted = len(set(sources)) > 1
    print(f"| model |{' images of the fit |' if fitted else ''} parameters | MACs | held-out KL | top-1, 1,200 images (95 % interval) | against dense (95 % interval) | McNemar p |")
    print("|---" * (8 if fitted else 7) + "|")
    print(f"| dense |{' |' if fitted else ''} 100 % | 100 % | | {accuracy_of(dense)} | | |")
    for (row, bits), source in zip(rows, sources):
        small, whole = row["compressed"], row["dense"]
        print(f"| {treatment(row)} |{f' {source} |' if fitted else ''} {100 * small['params'] / whole['params']:.1f} % | {100 * small['macs'] / whole['macs']:.1f} % | "
              f"{row['held_out_kl']:.3f} | {accuracy_of(bits)} | {interval(paired(dense, bits))} | "
              f"{mcnemar(dense, bits):.2g} |")


if __name__ == "__main__":
    main()
