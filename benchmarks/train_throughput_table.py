#!/usr/bin/env python3
"""The results of train_throughput.py as a table: ratios within a round, as median (smallest to largest).

usage: benchmarks/train_throughput_table.py RESULTS.json...; Markdown on standard output.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import short_name, spread  # noqa: E402

SIZES = ("tiny", "small")


def main():
    rows = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            rows += json.load(file)["results"]
    print("| model, batch | over eager | over `torch.compile` | two processes of one thread over one of two |\n|---|---|---|---|")
    for row in sorted(rows, key=lambda row: (SIZES.index(row["model"]), row["batch"])):
        cells = [spread(*(row["ratio"][way][key] for key in ("median", "min", "max"))) for way in ("eager", "compile", "two")]
        print(f"| {short_name(row['model'])}, {row['batch']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
