#!/usr/bin/env python3
"""The tables of benchmarks/plan_vit_tiny.sh's results: the model that was built for each budget, and with --latency the sums of measured pieces against
the measured latencies of whole models.

usage: benchmarks/plan_table.py [--latency] [RESULTS_DIR]; Markdown on standard output.
"""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cells import accuracy, speed  # noqa: E402
from paired import read_row  # noqa: E402

BUDGETS = ("latency_70", "macs_60", "params_80")
UNITS = {"latency": (1e-3, ".2f", "ms"), "macs": (1e9, ".3f", "G"), "params": (1e6, ".3f", "M")}


def amount(limit):
    scale, form, unit = UNITS[limit["quantity"]]
    return f"`{limit['text']}` ({limit['limit'] / scale:{form}} {unit})"


def built(plan):
    chosen, heads = plan["chosen"], plan["built"]["dense_spec"]["blocks"][0]
    parts = [f"attention of {', '.join(map(str, chosen['removed']))} removed" if chosen["removed"] else "",
             f"{chosen['width']} of {heads['qk_dim']} channels a head" if chosen["width"] else "",
             f"{chosen['pairs']} pairs merged in every block" if chosen["pairs"] else ""]
    return ", ".join(filter(None, parts))


def budgets(folder):
    print("| budget | built | parameters | MACs | measured latency, over dense | held-out KL | top-1 on val700 (95 % interval) |")
    print("|---|---|---|---|---|---|---|")
    for name in BUDGETS:
        plan, evaluation = read_row(folder, name), read_row(folder, name + "_eval")
        print(f"| {', '.join(map(amount, plan['limits']))} | {built(plan)} | {evaluation['params'] / 1e6:.2f} M | {evaluation['macs'] / 1e9:.3f} G | "
              f"{1e3 * plan['built_latency']:.2f} ms, {speed(plan['built']['speed'])} | {plan['built_kl']:.3f} | {accuracy(evaluation)} |")


def latency(folder):
    print("| model | sum of pieces, ms | measured, ms | error |\n|---|---|---|---|")
    for batch in read_row(folder, "latency_table")["batches"]:
        for check in batch["checks"]:
            print(f"| {check['model']} | {1e3 * check['predicted']:.2f} | {1e3 * check['measured']:.2f} | {100 * (check['predicted'] / check['measured'] - 1):+.1f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="benchmarks/results/plan_vit_tiny")
    parser.add_argument("--latency", action="store_true", help="the sums of pieces against whole models")
    flags = parser.parse_args()
    (latency if flags.latency else budgets)(flags.folder)


if __name__ == "__main__":
    main()
