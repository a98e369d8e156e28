#!/usr/bin/env python3
"""The results of run.py as one table: a column for each file, with the speed of each entry relative to the best peer's dense model in the same run.

usage: benchmarks/peers/table.py RESULTS.json...; Markdown on standard output.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cells import speed  # noqa: E402

results = []
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        results.append(json.load(file))
names = []
for result in results:
    names += [row["name"] for row in result["rows"] if row["name"] not in names]
print("| entry | " + " | ".join(f"{r['model'].replace('_patch16_224', '').replace('_', '-')}, batch {r['batch']}" for r in results) + " |")
print("|---" * (len(results) + 1) + "|")
for name in names:
    cells = []
    for result in results:
        row = next((row for row in result["rows"] if row["name"] == name), None)
        cells.append(f"{speed(row, 'ratio')}, {row['images_per_second']:.1f}/s" if row else "")
    print(f"| {name} | " + " | ".join(cells) + " |")
