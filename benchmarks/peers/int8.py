#!/usr/bin/env python3
"""int8 of vitrim's engine against int8 of OpenVINO, ONNX Runtime and PyTorch on the same weights, interleaved, in one process.

usage: benchmarks/peers/int8.py MODEL --batch N --folder FOLDER [--without TEXT]... [--weights CHECKPOINT] [--pictures FOLDER] [--cut REMOVED[/SCHEDULE]] [--also LABEL=CHECKPOINT]... [--rounds 15] [--gate FOLDER] [--out RESULTS.json]

MODEL is a name that `vitrim inspect` accepts (random weights) or, with --weights, the name of that checkpoint in the results. Intermediate files
(checkpoints, graphs, quantised graphs) are kept in FOLDER and reused. Peers get the float32 graph of `vitrim export` (with --torch-graph, for a DeiT
also PyTorch's own export) and quantise it with their own tools; they also run the int8 graphs of `vitrim export`. --inductor adds PyTorch's compiler
with its own int8, for a DeiT. --cut adds the model without some attention, merged by a schedule, in int8; --also adds another model of vitrim. Outputs
are compared with float32 before anything is timed. An entry that takes more than 1.6 times as long as the fastest peer runs only in every third round.
With --gate, the script writes the file `ready` to that folder when everything is made, starts the timing when the file `go` exists, and writes `done` at
the end, so the machine needs to be idle only between `go` and `done`. Install the requirements with: pip install -r benchmarks/peers/requirements.txt
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import numpy  # noqa: E402
import PIL.Image  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from engines import Inductor, OnnxRuntime, OpenVino, Vitrim, export, onnxruntime_int8, openvino_int8  # noqa: E402
from machine import cpu_facts  # noqa: E402
from torch_vit import ViT  # noqa: E402

LARGEST_DIFFERENCE = 0.5  # root mean square, relative: peers' fixed scales of random weights from one image; what is broken is off by 1 and more


class Files:
    """Checkpoints and graphs of one model, made once."""

    def __init__(self, args):
        self.args, self.model = args, args.model
        os.makedirs(args.folder, exist_ok=True)

    def path(self, ending):
        return os.path.join(self.args.folder, self.model + ending)

    def vitrim(self, *arguments, out):
        if not os.path.exists(out):
            subprocess.run([self.args.vitrim, *arguments, "-o", out, "--quiet"], check=True)
        return out

    def dense(self):
        return self.vitrim("export", self.args.weights or self.model, "--format", "safetensors", out=self.path(".safetensors"))

    def int8(self, source, out):
        return self.vitrim("quantize", source, out=out)

    def graph(self, source, ending, *arguments):
        """For any batch; OpenVINO fixes it when it compiles."""
        return self.vitrim("export", source, "--dynamic-batch", *arguments, out=self.path(f"{ending}.onnx"))

    def cut(self):
        """The model without the attention in --cut, merged by its schedule."""
        layers, _, schedule = self.args.cut.partition("/")
        source = self.dense()
        if layers:
            spec = self.path("-cut.json")
            subprocess.run([self.args.vitrim, "inspect", self.model, "--remove-attention", layers, "--write-spec", spec, "--quiet"], check=True)
            with open(spec, encoding="utf-8") as file:
                metadata = {"format": "pt", "vitrim.spec": file.read()}
            gone = tuple(f"blocks.{i}.{part}" for i in layers.split(",") for part in ("attn.", "norm1."))
            state = {name: tensor for name, tensor in safetensors.torch.load_file(source).items() if not name.startswith(gone)}
            source = self.path("-cut.safetensors")
            safetensors.torch.save_file(state, source, metadata)
        if not schedule:
            return source
        return self.vitrim("merge", source, "--schedule", schedule, out=self.path("-merged.safetensors"))


def dense_entries(args, files, images):
    """Entries of the dense model: (name, function that makes the entry, whether it is a peer's int8)."""
    graphs = {"": files.graph(files.dense(), "")}
    if args.inductor or args.torch_graph:
        torch_model = ViT(args.model).eval()
        torch_model.load_state_dict(safetensors.torch.load_file(files.dense()))
    if args.torch_graph:
        graphs[" of PyTorch's export"] = export(torch_model, images, files.path(f"-{args.batch}-torch.onnx"))
    int8 = files.int8(files.dense(), files.path("-int8.safetensors"))
    # The scales of inputs come from these images; their quality does not matter here.
    calibration = [*args.calib, "--images", "32"]
    static = files.graph(int8, "-vitrim-static", *calibration)
    if args.pictures:
        single = pictures(args.pictures, 64, 1).split(1)
    else:
        single = images[:1].split(1)
    yield "OpenVINO, bf16", lambda: OpenVino(graphs[""], images, args.threads, args.batch), False
    for of, graph in graphs.items():
        fit = [images] if of else single  # PyTorch's export has a fixed batch
        for rest in ("bf16", "f32"):
            yield f"OpenVINO, int8 (NNCF) and {rest}{of}", lambda graph=graph, fit=fit, rest=rest: OpenVino(openvino_int8(graph, fit), images, args.threads, args.batch, rest), True
        yield f"ONNX Runtime, int8 static{of}", lambda graph=graph, fit=fit: OnnxRuntime(onnxruntime_int8(graph, fit, True), images, args.threads), True
        yield f"ONNX Runtime, int8 dynamic{of}", lambda graph=graph: OnnxRuntime(onnxruntime_int8(graph, [], False), images, args.threads), True
    if args.inductor:
        yield "PyTorch inductor, int8 (X86InductorQuantizer)", lambda: Inductor(torch_model, images), True
    yield "OpenVINO, vitrim's static int8 graph and bf16", lambda: OpenVino(static, images, args.threads, args.batch), False
    yield "ONNX Runtime, vitrim's static int8 graph", lambda: OnnxRuntime(static, images, args.threads), False
    yield "ONNX Runtime, vitrim's dynamic int8 graph", lambda: OnnxRuntime(files.graph(int8, "-vitrim-dynamic"), images, args.threads), False
    yield "vitrim, bf16", lambda: Vitrim(args.library, files.dense(), images, args.threads), False
    yield "vitrim, int8", lambda: Vitrim(args.library, int8, images, args.threads), False


def entries_of(args, images):
    """[name, entry, whether it is a peer's int8, its expected first outputs]."""
    files = Files(args)
    wanted = Vitrim(args.library, files.dense(), images[:4], args.threads, "f32").call()
    rows = []
    for name, make, peer in dense_entries(args, files, images):
        if any(word in name for word in args.without):
            continue
        rows.append([name, make(), peer, wanted])
        print("made", name, file=sys.stderr)
    others = [(label, path) for label, _, path in (text.partition("=") for text in args.also)]
    if args.cut:
        others.append((f"vitrim, cut {args.cut}, int8", files.int8(files.cut(), files.path("-cut-int8.safetensors"))))
    for name, path in others:
        rows.append([name, Vitrim(args.library, path, images, args.threads), False, Vitrim(args.library, path, images[:4], args.threads, "f32").call()])
    return rows


def timed(rows, rounds, gate):
    """Seconds of every entry in the rounds in which it ran; None in the others."""
    first = []
    for _, entry, _, _ in rows:
        entry.call()
        start = time.perf_counter()
        entry.call()
        first.append(time.perf_counter() - start)
    fastest = min(seconds for seconds, row in zip(first, rows) if row[2])
    every = [1 if seconds <= 1.6 * fastest else 3 for seconds in first]
    if gate:
        open(os.path.join(gate, "ready"), "w", encoding="utf-8").close()
        while not os.path.exists(os.path.join(gate, "go")):
            time.sleep(0.05)
        for row in rows:  # what was in the caches while others ran
            row[1].call()
    seconds = [[] for _ in rows]
    for number in range(rounds):
        for row, turn, out in zip(rows, every, seconds):
            if number % turn:
                out.append(None)
                continue
            start = time.perf_counter()
            row[1].call()
            out.append(time.perf_counter() - start)
    if gate:
        open(os.path.join(gate, "done"), "w", encoding="utf-8").close()
    return seconds


def ratios(of, to):
    """to / of, round by round."""
    return numpy.array([b / a for a, b in zip(of, to) if a is not None and b is not None])


def pictures(folder, count, odd=0):
    """[count, 3, 224, 224], normalised by 0.5: pictures spread over every second one of the folder. These are timed; with `odd` they are those on
    which peers calibrate."""
    paths = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.lower().endswith((".jpg", ".jpeg", ".png")))[odd::2]
    if len(paths) < count:
        sys.exit(f"{folder} holds {len(paths)} pictures, fewer than {count} for each half")
    out = []
    for path in paths[:: len(paths) // count][:count]:
        with PIL.Image.open(path) as picture:
            pixels = numpy.asarray(picture.convert("RGB").resize((224, 224), PIL.Image.Resampling.BICUBIC), dtype=numpy.float32)
        out.append(torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1))
    return torch.stack(out).contiguous()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--weights")
    parser.add_argument("--calib", nargs="+", default=["--calib", "synthetic:calib:32", "--mean", "0.5", "--std", "0.25", "--resize", "224"])
    parser.add_argument("--pictures", metavar="FOLDER", help="time and calibrate peers on these pictures instead of noise, which trained weights are not made for")
    parser.add_argument("--largest-difference", type=float, default=LARGEST_DIFFERENCE, help="outputs further from float32 than this stop the run")
    parser.add_argument("--cut", default="")
    parser.add_argument("--also", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--without", action="append", default=[], help="entries with this in their name are left out")
    parser.add_argument("--torch-graph", action="store_true")
    parser.add_argument("--inductor", action="store_true")
    parser.add_argument("--gate")
    parser.add_argument("--out")
    parser.add_argument("--library", default=os.path.join(ROOT, "build/release/libvitrim.so"))
    parser.add_argument("--vitrim", default=os.path.join(ROOT, "build/release/vitrim"))
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    images = pictures(args.pictures, args.batch) if args.pictures else torch.randn(args.batch, 3, 224, 224)
    rows = entries_of(args, images)
    differences = []
    for name, entry, _, wanted in rows:
        differences.append(float(numpy.linalg.norm(entry.call()[:4] - wanted) / numpy.linalg.norm(wanted)))
        if not differences[-1] <= args.largest_difference:  # NaN too
            sys.exit(f"{name}: outputs are {differences[-1]:.3f} away; nothing is timed")
    seconds = timed(rows, args.rounds, args.gate)
    medians = [float(numpy.median([s for s in each if s is not None])) for each in seconds]
    best = min((i for i, row in enumerate(rows) if row[2]), key=lambda i: medians[i])
    own = next(i for i, row in enumerate(rows) if row[0] == "vitrim, bf16")
    out = []
    print(f"{args.model}, batch {args.batch}, {args.threads} threads, {args.rounds} rounds; best peer's int8: {rows[best][0]}")
    for i, (name, _, peer, _) in enumerate(rows):
        entry = {"name": name, "peer_int8": peer, "rounds": sum(s is not None for s in seconds[i]), "milliseconds": round(1e3 * medians[i], 3),
                 "images_per_second": round(args.batch / medians[i], 2), "difference": round(differences[i], 5)}
        for key, reference in (("over_best_peer_int8", best), ("over_own_bf16", own)):
            values = ratios(seconds[i], seconds[reference])
            entry[key] = [round(float(numpy.percentile(values, q)), 3) for q in (50, 10, 90)]
        out.append(entry)
        print(f"  {name:55s} {entry['images_per_second']:8.1f}/s {entry['milliseconds']:9.2f} ms  {entry['over_best_peer_int8'][0]:5.2f} of the best peer's int8  "
              f"{entry['over_own_bf16'][0]:5.2f} of vitrim's bf16  outputs {differences[i]:.1e}")
    if args.out:
        versions = {package: importlib.metadata.version(package) for package in ("onnxruntime", "openvino", "nncf", "torch", "torchao")}
        versions["vitrim"] = subprocess.run([args.vitrim, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump({"model": args.model, "weights": "random" if not args.weights else args.model, "batch": args.batch, "threads": args.threads, "rounds": args.rounds, "cut": args.cut,
                       **cpu_facts(), "versions": versions, "python": platform.python_version(), "best_peer_int8": rows[best][0], "rows": out}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
