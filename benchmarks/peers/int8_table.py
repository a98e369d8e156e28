#!/usr/bin/env python3
"""The results of int8.py as tables: one row per model and batch, then every entry.

usage: benchmarks/peers/int8_table.py RESULTS.json...; Markdown on standard output.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cells import spread  # noqa: E402


def title(result):
    return f"{result['model'].replace('_patch16_224', '').replace('_patch4_window7_224', '')}, {result['batch']}"


def own(row):
    return row["name"].startswith("vitrim, ") and row["name"] != "vitrim, bf16"


def tables(results):
    lines = ["| model, batch | best peer's int8 | images/s | vitrim | images/s | over the best peer (p10 to p90) | over vitrim's bfloat16 |", "|---|---|---|---|---|---|---|"]
    for result in results:
        rows = {row["name"]: row for row in result["rows"]}
        peer = rows[result["best_peer_int8"]]
        for row in filter(own, result["rows"]):
            lines.append(f"| {title(result)} | {peer['name'].replace(', int8', '')} | {peer['images_per_second']:.1f} | {row['name'].replace('vitrim, ', '')} | {row['images_per_second']:.1f} | "
                         f"{spread(*row['over_best_peer_int8'])} | {row['over_own_bf16'][0]:.2f} |")
    lines += ["", "Every entry:", "", "| model, batch | entry | images/s | over the best peer's int8 (p10 to p90) | over vitrim's bfloat16 |", "|---|---|---|---|---|"]
    for result in results:
        for row in result["rows"]:
            lines.append(f"| {title(result)} | {row['name']} | {row['images_per_second']:.1f} | {spread(*row['over_best_peer_int8'])} | {row['over_own_bf16'][0]:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+")
    args = parser.parse_args()
    results = []
    for path in args.results:
        with open(path, encoding="utf-8") as file:
            results.append(json.load(file))
    print(tables(results))


if __name__ == "__main__":
    main()
