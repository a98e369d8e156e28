#!/usr/bin/env python3
"""A ViT with a UPerNet in plain PyTorch, written from docs/segmentation.md: its predictions for the images of a folder, as the counts by class in the
result of `vitrim eval --json`.

usage: pytorch_segmentation.py MODEL.safetensors FOLDER; JSON on standard output. The model has one head of attention and patches of 8 pixels, images run whole and are not resized.
"""

import glob
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    spec = json.loads(header.pop("__metadata__")["vitrim.spec"])
    return spec, {name: torch.from_numpy(np.frombuffer(data[8 + size + e["data_offsets"][0]:8 + size + e["data_offsets"][1]], np.float32).copy()).reshape(e["shape"])
                  for name, e in header.items()}


class Model:
    def __init__(self, spec, weights):
        self.spec, self.w = spec, weights

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], self.spec["norm_eps"])

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def group_norm(self, x, name):
        channels = x.shape[1]
        groups = min(32, max(1, channels // 8))
        while channels % groups:
            groups -= 1
        return F.group_norm(x, groups, self.w[name + ".weight"], self.w[name + ".bias"], 1e-5)

    def unit(self, x, name):
        weight = self.w[name + ".conv.weight"]
        return self.group_norm(F.conv2d(x, weight, padding=weight.shape[-1] // 2), name + ".gn").relu()

    def streams(self, image):
        """The input of the head, as planes."""
        patches = F.conv2d(image, self.w["patch_embed.proj.weight"], self.w["patch_embed.proj.bias"], stride=8)
        height, width = patches.shape[2:]
        table = self.w["pos_embed"]
        side = int((table.shape[1] - 1) ** 0.5)
        grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(height, width), mode="bicubic", antialias=True, align_corners=False)
        position = torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], 1)
        x = torch.cat([self.w["cls_token"], patches.flatten(2).transpose(1, 2)], 1) + position
        read_behind = self.spec["segmentation"]["blocks"]
        out = []
        for i in range(len(self.spec["blocks"])):
            p = f"blocks.{i}."
            q, k, v = self.linear(self.norm(x, p + "norm1"), p + "attn.qkv").chunk(3, -1)
            x = x + self.linear(F.scaled_dot_product_attention(q, k, v), p + "attn.proj")
            x = x + self.linear(F.gelu(self.linear(self.norm(x, p + "norm2"), p + "mlp.fc1")), p + "mlp.fc2")
            for level, block in enumerate(read_behind):
                if block == i:
                    name = "norm" if level + 1 == len(read_behind) else f"decode_head.norms.{level}"
                    out.append(self.norm(x, name)[:, 1:].transpose(1, 2).reshape(1, -1, height, width))
        return out

    def logits(self, image):
        maps = self.streams(image)
        # Patches of 8 pixels: strides of 4, 8, 16 and 32.
        maps[0] = F.conv_transpose2d(maps[0], self.w["neck.0.deconv0.weight"], self.w["neck.0.deconv0.bias"], stride=2)
        maps[2] = F.max_pool2d(maps[2], 2, ceil_mode=True)
        maps[3] = F.max_pool2d(maps[3], 4, ceil_mode=True)
        stretch = lambda x, like: F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
        pooled = [stretch(self.unit(F.adaptive_avg_pool2d(maps[3], s), f"decode_head.psp_modules.{i}.1"), maps[3]) for i, s in enumerate((1, 2, 3, 6))]
        path = self.unit(torch.cat([maps[3], *pooled], 1), "decode_head.bottleneck")
        paths = [path]
        for i in (2, 1, 0):
            lateral = self.unit(maps[i], f"decode_head.lateral_convs.{i}")
            path = lateral + stretch(path, lateral)
            paths.insert(0, path)
        paths = [self.unit(paths[i], f"decode_head.fpn_convs.{i}") for i in range(3)] + paths[3:]
        whole = self.unit(torch.cat([stretch(x, paths[0]) for x in paths], 1), "decode_head.fpn_bottleneck")
        return F.conv2d(whole, self.w["decode_head.conv_seg.weight"], self.w["decode_head.conv_seg.bias"])


def main():
    spec, weights = read(sys.argv[1])
    model = Model(spec, weights)
    preprocess = spec["preprocess"]
    mean, std = (torch.tensor(preprocess[k], dtype=torch.float32).reshape(1, 3, 1, 1) for k in ("mean", "std"))
    images = []
    for path in sorted(glob.glob(os.path.join(sys.argv[2], "images", "*.png"))):
        pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).unsqueeze(0)
        image = (pixels / 255 - mean) / std
        height, width = image.shape[2:]
        tall, wide = -(-height // 8) * 8, -(-width // 8) * 8
        with torch.no_grad():
            logits = model.logits(F.pad(image, (0, wide - width, 0, tall - height)))
            said = F.interpolate(logits, size=(tall, wide), mode="bilinear", align_corners=False)[0, :, :height, :width].argmax(0).numpy()
        truth = np.array(Image.open(path.replace("images", "annotations"))).astype(int) - 1
        seen = truth >= 0
        counts = []
        for c in range(spec["num_classes"]):
            labelled, predicted = (truth == c) & seen, (said == c) & seen
            if labelled.any() or predicted.any():
                counts.append(f"{c} {labelled.sum()} {predicted.sum()} {(labelled & predicted).sum()}")
        images.append(",".join(counts))
    print(json.dumps(images))


if __name__ == "__main__":
    main()
