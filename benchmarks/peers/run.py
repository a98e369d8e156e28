#!/usr/bin/env python3
"""vitrim's engine against PyTorch eager, torch.compile, ONNX Runtime and OpenVINO on the same weights, interleaved, in one process.

usage: benchmarks/peers/run.py [--size base] [--batch 32] [--rounds 15] [--variant REMOVED[/SCHEDULE]]... [--out RESULTS.json] [--without NAMES]

--variant 0,1,3,4,6 is the model without that attention, 0,1,3,4,6,9/0:14 the same with tokens merged, /8:13 the complete model with tokens merged.
Every entry runs in every round; the table shows medians and the ratio to the best peer's dense model, round by round. Before timing, all outputs are
compared with PyTorch in float32 (those of merged models with vitrim's own in float32). int8.py compares int8. Install the requirements with: pip
install -r benchmarks/peers/requirements.txt
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import numpy  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from engines import Compiled, Eager, OnnxRuntime, OpenVino, Vitrim, export  # noqa: E402
from machine import cpu_facts  # noqa: E402
from torch_vit import SIZES, ViT  # noqa: E402


def checkpoint(model, name, folder, removed, merge, vitrim):
    """The model's weights as a file that vitrim loads: without some attention, with a schedule of merged tokens."""
    state = {k: v for k, v in model.state_dict().items() if not any(k.startswith(f"blocks.{i}.{part}") for i in removed for part in ("attn", "norm1"))}
    metadata = {"format": "pt"}
    if removed:
        spec = os.path.join(folder, "spec.json")
        subprocess.run([vitrim, "inspect", name, "--remove-attention", ",".join(map(str, removed)), "--write-spec", spec, "--quiet"], check=True)
        with open(spec) as file:
            metadata["vitrim.spec"] = file.read()
    path = os.path.join(folder, f"{name}-{len(removed)}.safetensors")
    safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, path, metadata)
    if merge:
        merged = path.replace(".safetensors", "-merged.safetensors")
        subprocess.run([vitrim, "merge", path, "--schedule", merge, "-o", merged, "--quiet"], check=True)
        return merged
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="base", choices=["tiny", "small", "base"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--variant", action="append", default=[])
    parser.add_argument("--without", default="", help="peers to leave out: eager,compile,onnxruntime,openvino")
    parser.add_argument("--out")
    parser.add_argument("--library", default=os.path.join(ROOT, "build/release/libvitrim.so"))
    parser.add_argument("--vitrim", default=os.path.join(ROOT, "build/release/vitrim"))
    args = parser.parse_args()
    name = f"deit_{args.size}_patch16_224"
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dense = ViT(name).eval()
    images = torch.randn(args.batch, 3, 224, 224)
    without = set(args.without.split(","))
    if {"eager", "compile", "onnxruntime", "openvino"} <= without:
        sys.exit("no peer is left to compare with")

    with tempfile.TemporaryDirectory() as folder:
        plain = checkpoint(dense, name, folder, [], "", args.vitrim)
        entries, wanted = {}, {}
        with torch.no_grad():
            dense_out = dense(images[:4]).numpy()
        half = ViT(name).eval()
        half.load_state_dict(dense.state_dict())
        half = half.bfloat16()
        if "eager" not in without:
            entries["PyTorch eager, bf16"] = Eager(half, images)
        if "compile" not in without:
            entries["torch.compile, bf16"] = Compiled(half, images)
        onnx = None
        if not {"onnxruntime", "openvino"} <= without:
            onnx = export(dense, images, os.path.join(folder, f"{name}-{args.batch}.onnx"))
        if "onnxruntime" not in without:
            entries["ONNX Runtime, f32"] = OnnxRuntime(onnx, images, args.threads)
        if "openvino" not in without:
            entries["OpenVINO, bf16"] = OpenVino(onnx, images, args.threads, args.batch)
        peers = list(entries)
        wanted.update({peer: dense_out for peer in peers})
        entries["vitrim, dense"] = Vitrim(args.library, plain, images, args.threads)
        wanted["vitrim, dense"] = dense_out
        for variant in args.variant:
            layers, _, merge = variant.partition("/")
            removed = [int(i) for i in layers.split(",") if i]
            cut = checkpoint(dense, name, folder, removed, merge, args.vitrim)
            label = "vitrim" + (f", less {layers}" if removed else "") + (f", merged {merge}" if merge else "")
            entries[label] = Vitrim(args.library, cut, images, args.threads)
            if merge:
                wanted[label] = Vitrim(args.library, cut, images[:4], args.threads, "f32").call()
            else:
                model = ViT(name, removed).eval()
                model.load_state_dict(dense.state_dict(), strict=False)
                with torch.no_grad():
                    wanted[label] = model(images[:4]).numpy()

        differences = {}
        for key, entry in entries.items():
            got = entry.call()[:4]
            differences[key] = float(numpy.abs(got - wanted[key]).max() / numpy.abs(wanted[key]).max())
            # bfloat16 through twelve blocks: sqrt(9 * 12) roundings of 2^-9, times about 5; another pairing of tokens changes more.
            if not differences[key] <= (0.3 if "merged" in key else 0.1):  # NaN too
                sys.exit(f"{key}: outputs are {differences[key]:.3f} away; nothing is timed")
        for entry in entries.values():
            entry.call()
        seconds = {key: [] for key in entries}
        for _ in range(args.rounds):
            for key, entry in entries.items():
                start = time.perf_counter()
                entry.call()
                seconds[key].append(time.perf_counter() - start)

    medians = {key: float(numpy.median(s)) for key, s in seconds.items()}
    best = min(peers, key=medians.get)
    rows = []
    print(f"{name}, batch {args.batch}, {args.threads} threads, {args.rounds} rounds; best peer: {best}")
    for key, s in seconds.items():
        ratios = numpy.array(seconds[best]) / numpy.array(s)
        low, middle, high = (float(numpy.percentile(ratios, q)) for q in (10, 50, 90))
        rows.append({"name": key, "images_per_second": args.batch / medians[key], "milliseconds": 1e3 * medians[key],
                     "p10": 1e3 * float(numpy.percentile(s, 10)), "p90": 1e3 * float(numpy.percentile(s, 90)), "ratio": middle, "ratio_p10": low,
                     "ratio_p90": high, "difference": differences[key]})
        print(f"  {key:40s} {args.batch / medians[key]:8.1f} images/s  {1e3 * medians[key]:9.2f} ms  {middle:5.2f} ({low:.2f} to {high:.2f}) of the best peer"
              f"  outputs {differences[key]:.1e}")
    if args.out:
        versions = {package: importlib.metadata.version(package) for package in ("onnxruntime", "openvino") if package not in without}
        with open(args.out, "w") as file:
            versions["vitrim"] = subprocess.run([args.vitrim, "--version"], capture_output=True, text=True, check=True).stdout.strip()
            versions["commit"] = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
            json.dump({"versions": versions, "seed": 0, "command": " ".join(["benchmarks/peers/run.py", *sys.argv[1:]]), "model": name, "batch": args.batch, "threads": args.threads,
                       "rounds": args.rounds, "best_peer": best, **cpu_facts(), "torch": torch.__version__,
                       "python": platform.python_version(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
