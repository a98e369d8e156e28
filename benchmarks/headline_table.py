#!/usr/bin/env python3
"""The headline figures from the results of all studies: the two tables of README.md, and the summary of docs/results.md.

usage: benchmarks/headline_table.py {accuracy,speed,summary} [RESULTS_DIR]; Markdown on standard output.
"""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from paired import interval, paired, paired_mean, read_row, read_rows, stored_interval  # noqa: E402
from two_sets_table import bits_of, listed  # noqa: E402

# The rows of two_sets_table.py in README.md.
CHANGED = (("3 of 12 attention layers static (`compress --static 0,1,3`)", "static_3"),
           ("3 layers static that a search chose: 1, 3 and 4 (`compress --static 25%`)", "static_best_3"),
           ("3 of 12 attention layers removed (`compress --remove-attention 0,1,3`)", "removed_3"))
# The rows of peers/int8.py in README.md: title, model and entry.
TIMED = (("ViT-Ti", "vit_tiny", "int8"), ("ViT-Ti as `plan --quantize` built it (above)", "vit_tiny", "planned, int8"), ("DeiT-S", "deit_small", "int8"),
         ("DeiT-B", "deit_base", "int8"), ("DeiT-B, half of its attention removed, tokens merged", "deit_base", "cut 0,1,2,3,4,5/0:14, int8"))


class Results:
    """The results of all studies in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def row(self, study, name):
        return read_row(os.path.join(self.folder, study), name)

    def file(self, *path):
        with open(os.path.join(self.folder, *path), encoding="utf-8") as file:
            return json.load(file)

    def bits(self, study, name):
        return bits_of(os.path.join(self.folder, study), name)

    def against_dense(self, study, name):
        """The difference to the dense model on val700 and dev500 together, as text."""
        return interval(paired(self.bits(study, "dense"), self.bits(study, name)))

    def int8(self):
        """The dense model in float32 and in int8."""
        rows = self.file("int8", "accuracy.json")["rows"]
        return [next(row for row in rows if (row["base"], row["form"]) == ("dense", form)) for form in ("float32", "int8")]

    def timed(self, model, batch, entry):
        """The row of vitrim in the comparison with other runtimes' int8; None if it was not timed."""
        return next((row for row in self.file("int8", f"peers_{model}_{batch}.json")["rows"] if row["name"] == "vitrim, " + entry), None)

    def over_peer(self, batch, entry):
        return f"{self.timed('vit_tiny', batch, entry)['over_best_peer_int8'][0]:.2f}"


def with_unit(difference):
    return difference.replace(" (", " points (")


def accuracy(results):
    plan = results.row("int8_plan", "planned")["built"]
    blocks = plan["compressed_spec"]["blocks"]
    static, merged = (sum(has(block) for block in blocks) for has in (lambda block: block["attention"] == "static", lambda block: block.get("merge", 0) > 0))
    title = f"{static} layer static, {max(block.get('merge', 0) for block in blocks)} pairs of tokens merged in {merged} layers, int8 (`plan --quantize`)"
    dense, int8 = results.int8()
    sizes = {name: len(results.row("frugal_vit_tiny", f"dense.{name}")["correct"]) for name in ("val700", "dev500")}
    top1 = [sum(row[name] * size for name, size in sizes.items()) / sum(sizes.values()) for row in (dense, int8)]
    macs = plan["dense"]["macs"]
    rows = [("dense", dense["bytes"], macs, top1[0], ""),
            ("int8 (`vitrim quantize`)", int8["bytes"], macs, top1[1], interval((int8["difference"], *int8["interval"]))),
            (title, plan["quantization"]["bytes_after"], plan["compressed"]["macs"], share(results.bits("int8_plan", "planned")), results.against_dense("int8_plan", "planned"))]
    for text, name in CHANGED:
        model = results.row("frugal_vit_tiny", name)["compressed"]
        rows.append((text, 4 * model["params"], model["macs"], share(results.bits("frugal_vit_tiny", name)), results.against_dense("frugal_vit_tiny", name)))
    print("| model | file | MACs | top-1 | paired difference to the dense model (95 % interval) |\n|---|---|---|---|---|")
    for text, size, count, correct, difference in rows:
        print(f"| {text} | {size / 1e6:.1f} MB | {count / 1e9:.3f} G | {100 * correct:.1f} % | {with_unit(difference)} |".replace("|  |", "| |"))


def share(bits):
    return bits.count("1") / len(bits)


def speed(results):
    print("| model on vitrim's engine | batch 1 | batch 32 |\n|---|---|---|")
    for title, model, entry in TIMED:
        rows = [results.timed(model, batch, entry) for batch in (1, 32)]
        cells = [f" {row['images_per_second']:.1f}/s, {row['over_best_peer_int8'][0]:.2f} |" if row else " |" for row in rows]
        print(f"| {title} |{''.join(cells)}")


def on_cifar100(results):
    """Static attention after training, against the dense model that was trained as long: the mean over seeds."""
    rows = read_rows(os.path.join(results.folder, "cifar100_static"))

    def against_dense(part):
        seeds = [seed for name, seed in rows if name == f"searched_{part}.images8000.epochs4"]
        return interval(paired_mean([[rows[name, seed]["evaluation"]["correct"] for name in ("dense_longer.epochs4", f"searched_{part}.images8000.epochs4")] for seed in seeds]))

    quarter, third, half = (against_dense(part) for part in (25, 33, 50))
    return f"{quarter.replace(' (', ' points (')}, {third} and {half}"


def absorbed_on_cifar100(results):
    rows = read_rows(os.path.join(results.folder, "cifar100"))
    seeds = sorted(seed for name, seed in rows if name == "absorbed_25")
    losses = [100 * (rows["absorbed_25", seed]["evaluation"]["top1"] - rows["dense_longer", seed]["evaluation"]["top1"]) for seed in seeds]
    return f"{max(losses):.1f} to {min(losses):.1f} points over {len(seeds)} seeds"


def summary(results):
    int8 = results.int8()[1]
    merged = results.row("merge_vit_tiny", "dense_12")
    pruned = results.row("apma_vit_tiny", "apma_65")
    engine = [next(row["ratio"] for row in results.file("peers", f"{size}_{batch}.json")["rows"] if row["name"] == "vitrim, dense") for size in ("small", "base") for batch in (1, 32)]
    lines = [("int8, accuracy", "ViT-Ti, a third of the file size, no images needed",
              f"{with_unit(interval((int8['difference'], *int8['interval'])))} against float32 on 1,200 images", "[accuracy](quantization.md#accuracy)"),
             ("int8, speed", "ViT-Ti, two CPU cores, batch 1 and 32",
              f"{results.over_peer(1, 'int8')} and {results.over_peer(32, 'int8')} times as fast as the fastest int8 of another runtime", "[other runtimes](quantization.md#against-other-runtimes-int8)"),
             ("`plan --quantize`", "ViT-Ti, one static layer, merged tokens, int8, without training",
              f"{results.over_peer(32, 'planned, int8')} times as fast as the dense model in the fastest int8 of another runtime (batch 32), "
              f"{with_unit(results.against_dense('int8_plan', 'planned'))} on 1,200 images", "[plan](quantization.md#the-fastest-vit-ti-that-loses-less-than-a-point)"),
             ("static attention", "ViT-Ti, 3 of 12 layers, without training", f"{with_unit(results.against_dense('frugal_vit_tiny', 'static_3'))} on 1,200 images", "[static](static.md#measured)"),
             ("static attention, fine-tuned", "CIFAR-100, 3, 4 and 6 of 12 layers, four epochs with a teacher, mean of 3 seeds", f"{on_cifar100(results)} against dense trained as long",
              "[static](static.md#with-labels-on-cifar-100)"),
             ("channel pruning", "ViT-Ti, attention MACs to 65 %, without training",
              f"{with_unit(interval(paired(pruned['dense']['correct'], pruned['compressed']['correct'])))} on 700 images", "[pruning](#pruning-channels-the-real-vit-ti)"),
             ("merging", "ViT-Ti, 12 pairs per block, without training",
              f"{100 * merged['compressed']['macs'] / merged['dense']['macs']:.0f} % of the MACs, {with_unit(stored_interval(merged['paired']))} on 700 images", "[merging](#merging-tokens-the-real-vit-ti)"),
             ("removal", "ViT-Ti, 2 of 12 layers, without training",
              f"{with_unit(stored_interval(results.row('nose_vit_tiny', '2')['paired']))} on 700 images, {results.against_dense('frugal_vit_tiny', 'removed_2')} on 1,200",
              "[removal](#removing-attention-the-real-vit-ti)"),
             ("removal, fine-tuned", "CIFAR-100, 3 of 12 layers absorbed, four epochs", f"{absorbed_on_cifar100(results)}, against dense trained as long", "[training](#training-on-cifar-100)"),
             ("CPU engine, bfloat16", "dense DeiT-S and DeiT-B, two CPU cores", f"{min(engine):.2f} to {max(engine):.2f} times as fast as OpenVINO, the fastest other runtime", "[speed](#speed-on-a-cpu)")]
    print("| what | setting | result | section |\n|---|---|---|---|")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("accuracy", "speed", "summary"))
    parser.add_argument("folder", nargs="?", default="benchmarks/results")
    flags = parser.parse_args()
    {"accuracy": accuracy, "speed": speed, "summary": summary}[flags.table](Results(flags.folder))


if __name__ == "__main__":
    main()
