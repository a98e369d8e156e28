#!/usr/bin/env python3
"""AutoImageProcessor on folders that vitrim writes: the pixels that a model is given are those of torchvision's steps, and what the files say is what the spec says.

usage: hub_processor.py VITRIM FOLDER; FOLDER holds vit.safetensors. Needs transformers, Pillow, NumPy, torch and safetensors.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torchvision_operators  # noqa: E402, F401, I001

import numpy as np  # noqa: E402
import safetensors.torch  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors import safe_open  # noqa: E402
from transformers import AutoImageProcessor  # noqa: E402


def variant(source, target, **changes):
    """The checkpoint with another preprocessing in its spec."""
    with safe_open(source, "pt") as file:
        spec = json.loads(file.metadata()["vitrim.spec"])
    spec["preprocess"] = {**spec["preprocess"], **changes}
    safetensors.torch.save_file(safetensors.torch.load_file(source), target, {"vitrim.spec": json.dumps(spec), "format": "pt"})
    return spec["preprocess"]


def expected(image, p):
    filters = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
    if p["resize"] is not None:
        width, height = image.size
        scale = p["resize"] / min(width, height)
        size = (p["resize"],) * 2 if p.get("squash") else (round(width * scale) if width > height else p["resize"], p["resize"] if width > height else round(height * scale))
        image = image.resize(size, filters[p["interpolation"]])
    pixels = np.asarray(image, np.float64)
    top, left = (pixels.shape[0] - p["crop"]) // 2, (pixels.shape[1] - p["crop"]) // 2
    pixels = pixels[top:top + p["crop"], left:left + p["crop"]] / 255
    return ((pixels - p["mean"]) / p["std"]).transpose(2, 0, 1)


def main():
    program, folder = sys.argv[1:]
    os.chdir(folder)
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((96, 72), Image.BICUBIC)
    with safe_open("vit.safetensors", "pt") as file:
        side = json.loads(file.metadata()["vitrim.spec"])["image_size"][0]
    for name, changes in (("crop", {"resize": 2 * side, "crop": side}), ("bilinear", {"resize": side + 4, "crop": side, "interpolation": "bilinear", "mean": [0.1, 0.2, 0.3]}),
                          ("squashed", {"resize": side, "crop": side, "squash": True}), ("plain", {"resize": None, "crop": side, "std": [0.2, 0.3, 0.4]})):
        p = variant("vit.safetensors", f"{name}.safetensors", **changes)
        subprocess.run([program, "quantize", f"{name}.safetensors", "--quiet", "-o", f"{name}/"], check=True)
        processor = AutoImageProcessor.from_pretrained(name)
        got = np.asarray(processor(image, return_tensors="np")["pixel_values"][0], np.float64)
        wanted = expected(image, p)
        assert got.shape == wanted.shape, (name, got.shape, wanted.shape)
        # Resizing rounds to bytes once or twice, which differs by a step in a few pixels.
        steps = np.abs(got - wanted) * np.reshape(p["std"], (3, 1, 1)) * 255
        print(f"{name}: {type(processor).__name__}, mean difference {steps.mean():.3f} of a pixel's step, largest {steps.max():.1f}")
        assert steps.mean() < 0.1 and steps.max() < 2.1, name


if __name__ == "__main__":
    main()
