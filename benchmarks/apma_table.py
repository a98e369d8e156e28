#!/usr/bin/env python3
"""The tables of benchmarks/apma_vit_tiny.sh: top-1 on held-out labelled images, compared in pairs with the dense model and with APMA, and the difference
of the pruned model's output on calibration images held out from the fit.

usage: benchmarks/apma_table.py [--target PERCENT | --front | --parts] [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from paired import interval, mcnemar, paired, read_row, row_names  # noqa: E402

ROWS = [("apma", "APMA"), ("apma_similarity_weights", "with similarity of weights"),
        ("apma_similarity_activations", "with similarity of activations"), ("apma_similarity_residual", "with similarity by residual"),
        ("apma_similarity_weights_signed", "with similarity of weights, signed"),
        ("apma_similarity_activations_signed", "with similarity of activations, signed"), ("apma_threshold", "truncated by threshold"),
        ("apma_absence", "beginning with absence"), ("apma_no_reweight", "without reweighting"),
        ("apma_no_initialisation", "without initialisation"), ("apma_no_proportions", "without equal proportions (masked)"),
        ("magnitude", "magnitude"), ("magnitude_unequal", "magnitude, unequal heads (masked)"), ("taylor", "Taylor"),
        ("energy", "activation energy"), ("energy_centred", "activation energy, centred"), ("difference", "attention difference alone"),
        ("random", "random")]
# The rows of --parts: APMA without one of its parts, or with one more.
PARTS = ("apma", "apma_no_reweight", "apma_no_initialisation", "apma_no_proportions", "apma_similarity_weights")


def parts(folder, targets):
    print(f"| variant | {' | '.join(f'{target} %' for target in targets)} |")
    print("|---" * (len(targets) + 1) + "|")
    for name in PARTS:
        rows = [read_row(folder, f"{name}_{target}") for target in targets]
        print(f"| {dict(ROWS)[name]} | " + " | ".join(f"{row['held_out_kl']:.3f}" if row else "" for row in rows) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="benchmarks/results/apma_vit_tiny")
    parser.add_argument("--target", type=int, help="only the table of this share of the attention's multiply-adds, in percent")
    parser.add_argument("--parts", action="store_true", help="only the held-out KL of APMA without its parts")
    parser.add_argument("--front", action="store_true", help="only the front of removal and pruning")
    flags = parser.parse_args()
    folder = flags.folder
    targets = sorted({int(name.split("_")[-1]) for name in row_names(folder, "apma_")}, reverse=True)
    if flags.parts:
        parts(folder, targets)
        return
    for target in [] if flags.front else [flags.target] if flags.target else targets:
        own = read_row(folder, f"apma_{target}")
        if not flags.target:
            print(f"\nAttention MACs {target} %:\n")
        print("| channels by | top-1 | against dense (95 % interval) | against APMA (95 % interval) | McNemar p | held-out KL |")
        print("|---|---|---|---|---|---|")
        for name, title in ROWS:
            suffixes = [f"_seed{s}" for s in range(10)] if name == "random" else [""]
            for suffix in suffixes:
                r = read_row(folder, f"{name}_{target}{suffix}")
                if r is None:
                    continue
                bits = r["compressed"]["correct"]
                against = own["compressed"]["correct"] if own and name != "apma" else None
                line = f"| {title}{suffix.replace('_', ' ')} | {100 * r['compressed']['top1']:.1f} % | {interval(paired(r['dense']['correct'], bits))} | "
                line += f"{interval(paired(against, bits))} | {mcnemar(against, bits):.2g} | " if against else "| | "
                print(line + f"{r['held_out_kl']:.3f} |")
    fronts = row_names(folder, "front_")
    if fronts and not flags.target:
        fronts += [f"apma_{target}" for target in targets if read_row(folder, f"apma_{target}")]
        print("\n| layers removed | attention MACs of what stays | MACs of the model | top-1 | against dense (95 % interval) |")
        print("|---|---|---|---|---|")
        for name in fronts:
            r = read_row(folder, name)
            share = r["compressed"]["macs"] / r["dense"]["macs"]
            pruned = re.split("attention_|^apma_", name)
            print(f"| {', '.join(map(str, r['removed'])) or 'none'} | {pruned[1] + ' %' if len(pruned) > 1 else 'all'} | {100 * share:.1f} % | "
                  f"{100 * r['compressed']['top1']:.1f} % | {interval(paired(r['dense']['correct'], r['compressed']['correct']))} |")


if __name__ == "__main__":
    main()
