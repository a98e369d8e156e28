#!/usr/bin/env python3
"""The table of benchmarks/cifar100_static.sh's rows: top-1 on the 5,000 test images before and after the fine-tuning, compared in pairs with the dense
model that was trained for as many epochs with the same teacher (before: with the dense model from which all rows start). Where there are several seeds, a
row holds their mean difference.

usage: benchmarks/cifar100_static_table.py [RESULTS_DIR]; Markdown on standard output. Missing rows are left out.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import accuracy  # noqa: E402
from paired import interval, mcnemar, paired, paired_mean, read_row, read_rows, row_names  # noqa: E402


def line(what, images, epochs, seed, macs, result, base):
    start = f"| {what} | {images} | {epochs} | {seed} | {macs} | {accuracy(result)} |"
    if base is None:
        return start + " | |"
    return f"{start} {interval(paired(base['correct'], result['correct']))} | {mcnemar(base['correct'], result['correct']):.2g} |"


def by_epochs(row):
    """The sort key of an item of read_rows: few epochs first, then by seed."""
    name, seed = row[0]
    epochs = re.search(r"\.epochs(\d+)", name)
    return int(epochs[1]) if epochs else 0, name, seed


def mean_top1(pairs):
    return 100 * sum(result.count("1") / len(result) for _, result in pairs) / len(pairs)


def table(folder):
    lines = ["| attention | unlabelled images | epochs with labels | seed | MACs | top-1 (95 % interval) | against dense (95 % interval) | McNemar p |",
             "|---|---|---|---|---|---|---|---|"]
    tuned = dict(sorted(read_rows(folder).items(), key=by_epochs))
    start = tuned["dense", 0]["evaluation"]
    lines.append(line("dense", "", 0, 0, "100 %", start, None))
    dense = {}
    for (name, seed), result in tuned.items():
        if match := re.fullmatch(r"dense_longer\.epochs(\d+)", name):
            dense[int(match[1]), seed] = result["evaluation"]
            lines.append(line("dense", "", match[1], seed, "100 %", result["evaluation"], None))
    kinds = {"searched": "static, chosen as such", "static": "static", "removed": "removed"}
    fits = [(match, name) for name in row_names(folder) if (match := re.fullmatch(r"(searched|static|removed)_(\d+)\.images(\d+)", name))]
    for match, name in sorted(fits, key=lambda fit: (int(fit[0][2]), fit[0][1], int(fit[0][3]))):
        row, kind, images = read_row(folder, name), match[1], f"{int(match[3]):,}"
        layers = [i for i, block in enumerate(row["compressed_spec"]["blocks"]) if block["attention"] in ("none", "static")]
        what, macs = f"{match[2]} % {kinds[kind]}: {', '.join(map(str, layers))}", f"{100 * row['compressed']['macs'] / row['dense']['macs']:.1f} %"
        lines.append(line(what, images, 0, 0, macs, row["compressed"], start))
        pairs = {}
        for (other, seed), result in tuned.items():
            if match := re.fullmatch(re.escape(name) + r"\.epochs(\d+)", other):
                base = dense.get((int(match[1]), seed))
                lines.append(line(what, images, match[1], seed, macs, result["evaluation"], base))
                if base:
                    pairs.setdefault(match[1], []).append((base["correct"], result["evaluation"]["correct"]))
        lines += [f"| {what} | {images} | {epochs} | mean of {len(several)} | {macs} | {mean_top1(several):.1f} % | {interval(paired_mean(several))} | |"
                  for epochs, several in pairs.items() if len(several) > 1]
    return "\n".join(lines)


def main():
    print(table(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/cifar100_static"))


if __name__ == "__main__":
    main()
