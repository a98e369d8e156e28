"""Files that export_references wrote, and the tolerances for other programs."""

import glob
import math
import os
import sys


def peers(*modules, status=0):
    """Continues in the python that VITRIM_PEERS_PYTHON names, or in the tree's .venv-peers, if this one lacks `modules`; if that lacks them too,
    exits with `status` and a message."""
    try:
        for module in modules:
            __import__(module)
        return
    except ImportError as error:
        missing = error.name
    tree = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    for python in (os.environ.get("VITRIM_PEERS_PYTHON"), os.path.join(tree, ".venv-peers", "bin", "python")):
        if python and os.path.exists(python) and not os.environ.get("VITRIM_IN_PEERS"):
            os.environ["VITRIM_IN_PEERS"] = "1"
            os.execv(python, [python, *sys.argv])
    print(f"SKIPPED: {missing} was not found, so exported files were not run (scripts/setup.sh installs it; VITRIM_PEERS_PYTHON names the python)")
    sys.exit(status)


def names(folder):
    return sorted(os.path.basename(path)[:-len(".reference.safetensors")] for path in glob.glob(os.path.join(folder, "*.reference.safetensors")))


def relative_difference(got, wanted):
    assert got.shape == wanted.shape, (got.shape, wanted.shape)
    return float(abs(got.astype("float64") - wanted).max() / abs(wanted).max())


def tolerance(terms, depth, amplification=2):
    """Of two float32 computations of one network, relative to the largest output: 3 + 8 depth sums of `terms` products, each off by some sqrt(terms) 2^-24, independent, so that they
    add up as a root; `amplification` is how much a network enlarges a relative change."""
    return 2.0 ** -24 * math.sqrt(terms * (3 + 8 * depth)) * amplification


def half_tolerance(depth, amplification=2):
    """The same with float16 products: each of 3 + 8 depth tensors is rounded to 11 bits once or twice."""
    return 2.0 ** -11 * math.sqrt(2 * (3 + 8 * depth)) * amplification


def int8_tolerance(depth):
    """Of two computations of the same int8 layers: whole numbers agree but where a value lies at the edge of a step and float32's rounding takes it to the other side. Such a value is
    off by one step of 127, one of some hundred does so, and 9 depth tensors add up as a root, enlarged by some 10, as in the engine's test against LibTorch."""
    return math.sqrt(9 * depth) * 2.0 ** -10 * 10


def first_step_tolerance(terms, crest=4, amplification=2):
    """The same of a single int8 layer that reads what no other int8 layer has touched: of values that differ by e = 2^-24 sqrt(terms) and have a root mean square of 127 / crest steps, a
    share of 2 e 127 / crest is rounded to either side, and a sum of n products with such flips is off by the root of that share, relative to its own size."""
    steps = 127 / crest
    return math.sqrt(2 * 2.0 ** -24 * math.sqrt(terms) * steps) / steps * amplification


def static_tolerance(depth, crest=10, amplification=2):
    """Of fixed scales against a scale a token: 4 depth inputs rounded to steps of (largest - smallest) / 255, off by step / sqrt(12) each; `crest` is that range over the root mean square of
    what is read, two for either end of five deviations. The scale a token is finer."""
    return crest / 255 / math.sqrt(12) * math.sqrt(4 * depth) * amplification


_definitions = []  # a definition lives as long as its library object


def import_timm():
    """timm without a working torchvision: its compiled operators may belong to another torch, and only their names are needed."""
    import torch
    if not _definitions:
        for name in ("nms", "qnms"):
            try:
                library = torch.library.Library("torchvision", "FRAGMENT")
                library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
                _definitions.append(library)
            except RuntimeError:  # there already
                pass
    import timm
    return timm


def timm_model(path):
    """The class in the file, constructed with its arguments and given its weights."""
    import functools
    import importlib
    import json

    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file
    import_timm()
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    module, name = metadata["timm.class"].rsplit(".", 1)
    arguments = json.loads(metadata["timm.arguments"])
    if "timm.norm_eps" in metadata:
        arguments["norm_layer"] = functools.partial(torch.nn.LayerNorm, eps=float(metadata["timm.norm_eps"]))
    model = getattr(importlib.import_module(module), name)(**arguments).eval()
    model.load_state_dict(load_file(path), strict=True)
    return model


def documented(page, number):
    """The `number`th block of Python on a page of docs/."""
    tests = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    sys.path.insert(0, tests)
    from fenced import blocks
    with open(os.path.join(tests, "..", "docs", page), encoding="utf-8") as file:
        return [body + "\n" for _, info, body in blocks(file.read()) if info.startswith("py")][number]
