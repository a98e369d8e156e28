#!/usr/bin/env python3
"""The results of `vitrim bench` as tables: of benchmarks/stages.sh (the CPU engine against LibTorch's path), and of benchmarks/int8.sh (int8 against
bfloat16 on the same weights).

usage: benchmarks/bench_table.py {stages,int8} RESULTS.json...; Markdown on standard output.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import short_name, speed  # noqa: E402


def stages(results):
    print("| model | native, images/s | LibTorch's path, images/s | ratio (p10 to p90) |\n|---|---|---|---|")
    for rows in results:
        native, torch = (next(row for row in rows if row["engine"] == engine) for engine in ("native", "libtorch"))
        print(f"| {native['model']} | {native['images_per_second']:.1f} | {torch['images_per_second']:.1f} | {speed(native)} |")


def int8(results):
    print("| model | batch | bfloat16 | int8 | ratio | share of the int8 peak |\n|---|---|---|---|---|---|")
    for rows in results:
        for own in (row for row in rows if row["precision"].startswith("int8")):
            base = next(row for row in rows if row["precision"] == "bf16" and row["batch"] == own["batch"])
            print(f"| {short_name(own['model'])} | {own['batch']} | {base['images_per_second']:.1f}/s | {own['images_per_second']:.1f}/s | {speed(own)} | "
                  f"{100 * own['share_of_peak']:.0f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("stages", "int8"))
    parser.add_argument("results", nargs="+")
    flags = parser.parse_args()
    results = []
    for path in flags.results:
        with open(path, encoding="utf-8") as file:
            results.append(json.load(file)["rows"])
    (stages if flags.table == "stages" else int8)(results)


if __name__ == "__main__":
    main()
