#!/usr/bin/env python3
"""The results of int8.py as one table.

usage: benchmarks/peers/int8_table.py RESULTS.json...; Markdown on standard output.
"""

import json
import sys

print("| model, batch | contestant | images/s | over the best peer's int8 (p10 to p90) | over vitrim's bfloat16 |\n|---|---|---|---|---|")
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        result = json.load(file)
    for row in result["rows"]:
        middle, low, high = row["over_best_peer_int8"]
        print(f"| {result['model'].replace('_patch16_224', '')}, {result['batch']} | {row['name']} | {row['images_per_second']:.1f} | {middle:.2f} ({low:.2f} to {high:.2f}) | "
              f"{row['over_own_bf16'][0]:.2f} |")
