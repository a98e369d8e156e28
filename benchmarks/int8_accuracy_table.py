#!/usr/bin/env python3
"""The table of benchmarks/int8_accuracy.py's results.

usage: benchmarks/int8_accuracy_table.py [RESULTS.json]; Markdown on standard output.
"""

import json
import sys


def table(rows, calib_images):
    lines = ["| model | weights | file | val700 | dev500 | points to float | same prediction | KL |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        start = f"| {row['base']} | {row['form']} | {row['bytes'] / 1e6:.1f} MB | {100 * row['val700']:.1f} % | {100 * row['dev500']:.1f} % | "
        if row["form"] == "float32":
            lines.append(start + "| | |")
        else:
            low, high = row["interval"]
            lines.append(start + f"{row['difference']:+.2f} ({low:+.2f} to {high:+.2f}) | {100 * row['agreement']:.2f} % | {row['kl']:.5f} |")
    lines += ["", f"Points, agreement and KL are against the same model in float32, on the 1200 images together, with a paired bootstrap interval of 95 %. "
              f"\"Calibrated\" is `--calib` with {calib_images} calibration images."]
    return "\n".join(lines).replace("+-", "-")


def main():
    with open(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/int8/accuracy.json", encoding="utf-8") as file:
        results = json.load(file)
    print(table(results["rows"], results["calibration_images"]))


if __name__ == "__main__":
    main()
