#!/usr/bin/env python3
"""Writes the *.safetensors beside it: small models with random weights of every family and kind of attention, and what reference.py answers: `input`
[B, 3, H, W], `output` [B, classes], and for a few places of every parameter (`places/NAME`, flattened) `grads/NAME`, the derivatives of
sum(output * output_weights) as central differences in float64. Metadata: `spec`. Needs NumPy only.
"""

import json
import os
import struct

import numpy as np
from reference import Reference

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES, SIDE = 5, 16
PLACES, STEP = 2, 1e-5


def block(kind, dim, heads=2, **fields):
    width = 0 if kind == "none" else dim // heads
    return {"attention": kind, "embed_dim": dim, "num_heads": heads if width else 0, "qk_dim": 0 if kind == "static" else width, "v_dim": width,
            "mlp_dim": 2 * dim, "stream_gain": 1.0, **fields}


def spec_of(family, blocks, stages=None, **fields):
    spec = {"version": 1, "family": family, "name": "", "image_size": [32, 32] if family == "cswin" else [SIDE, SIDE], "patch_size": 4 if family in ("vit", "cswin") else 2, "in_channels": 3, "num_classes": CLASSES,
            "embed_dim": blocks[0]["embed_dim"], "class_token": family == "vit", "distillation_token": False, "register_tokens": 0, "embed_prefix_tokens": True,
            "pooling": "token" if family == "vit" else "average", "pre_norm": False, "final_norm": family != "pvt", "fc_norm": False, "qkv_bias": True, "qk_norm": False,
            "layer_scale": False, "norm_eps": 1e-6, "preprocess": None}
    if stages:
        spec["stages"] = [{"depth": depth, "embed_dim": dim} for depth, dim in stages]
    return {**spec, "blocks": blocks, **fields}


def models():
    """Name -> spec. Stages: a map of 8 x 8 tokens with 8 channels, then one of 4 x 4 with 16."""
    two = [(2, 8), (2, 16)]
    vit = [block("softmax", 16) for _ in range(2)]
    return {
        "vit": spec_of("vit", vit),
        "vit_norms": spec_of("vit", vit, qk_norm=True, layer_scale=True, pre_norm=True, register_tokens=2, embed_prefix_tokens=False, activation="quick_gelu"),
        "vit_average": spec_of("vit", vit, class_token=False, pooling="average", final_norm=False, fc_norm=True, qkv_bias=False, activation="gelu_tanh"),
        "vit_distilled": spec_of("vit", [block("softmax", 16), block("none", 16, stream_gain=2.0), block("softmax", 16)], distillation_token=True),
        "vit_gated": spec_of("vit", vit, gated_mlp=True, activation="silu", pooling="token_and_average"),
        "vit_static": spec_of("vit", [block("static", 16, filter=3), block("softmax", 16)], register_tokens=1),
        "vit_merged": spec_of("vit", [block("softmax", 16, merge=3), block("softmax", 16, merge=2), block("softmax", 16)], pooling="token_and_average"),
        "swin": spec_of("swin", [block("window", 8, window=4), block("window", 8, window=4, shift=2), block("window", 16, 4, window=4), block("window", 16, 4, window=2, shift=1)], two),
        "flatten_swin": spec_of("flatten_swin", [block("focused_linear", 8, window=4), block("focused_linear", 8, window=4, shift=2),
                                                 block("window", 16, 4, window=4), block("focused_linear", 16, 4, window=2, per_head_filters=True)], two, filter_size=3),
        "pvt": spec_of("pvt", [block("softmax", 8, sr_ratio=4), block("focused_linear", 8, sr_ratio=2), block("softmax", 16, 4), block("focused_linear", 16, 4)], two),
        "pvt_v2": spec_of("pvt_v2", [block("softmax", 8, sr_ratio=4), block("focused_linear", 8, sr_ratio=2), block("softmax", 16, 4), block("focused_linear", 16, 4)], two, focusing_factor=2),
        "cswin": spec_of("cswin", [block("cross_shaped_window", 8, window=1), block("cross_focused_linear", 8, window=2), block("cross_shaped_window", 16, 4, window=2),
                                   block("cross_focused_linear", 16, 4)], two),
        "static_swin": spec_of("swin", [block("static", 8, filter=3), block("window", 8, window=4, shift=2), block("static", 16, filter=5), block("window", 16, 4, window=4)], two),
    }


class Weights:
    """Random parameters of a spec under the names that reference.py looks for."""

    def __init__(self, spec, seed):
        self.spec, self.random, self.out = spec, np.random.default_rng(seed), {}
        family = spec["family"]
        getattr(self, "vit" if family == "vit" else family.replace("flatten_", ""))()
        at = 0
        for s, stage in enumerate(spec.get("stages") or [{"depth": len(spec["blocks"]), "embed_dim": spec["embed_dim"]}]):
            for j in range(stage["depth"]):
                prefix = {"vit": f"blocks.{j}.", "cswin": f"stage{s + 1}.{j}."}.get(family, f"layers.{s}.blocks.{j}." if "swin" in family else f"block{s + 1}.{j}.")
                self.block(prefix, spec["blocks"][at], spec["image_size"][0] // spec["patch_size"] >> s)
                at += 1

    def put(self, name, *shape, scale=0.3, centre=0.0):
        self.out[name] = (centre + scale * self.random.standard_normal(shape)).astype(np.float32)

    def norm(self, name, width):
        self.put(name + ".weight", width, centre=1.0)
        self.put(name + ".bias", width)

    def linear(self, name, outputs, inputs, bias=True):
        self.put(name + ".weight", outputs, inputs, scale=1 / np.sqrt(inputs))
        if bias:
            self.put(name + ".bias", outputs)

    def convolution(self, name, outputs, inputs, side, bias=True):
        self.put(name + ".weight", outputs, inputs, side, side, scale=1 / np.sqrt(inputs * side * side))
        if bias:
            self.put(name + ".bias", outputs)

    def vit(self):
        s, dim = self.spec, self.spec["embed_dim"]
        before = s["class_token"] + s["distillation_token"] + s["register_tokens"]
        for name, count in (("cls_token", s["class_token"]), ("dist_token", s["distillation_token"]), ("reg_token", s["register_tokens"])):
            if count:
                self.put(name, 1, int(count), dim)
        self.convolution("patch_embed.proj", dim, 3, s["patch_size"], bias=not s["pre_norm"])
        self.put("pos_embed", 1, (SIDE // s["patch_size"]) ** 2 + (before if s["embed_prefix_tokens"] else 0), dim)
        for name, there in (("norm_pre", s["pre_norm"]), ("norm", s["final_norm"])):
            if there:
                self.norm(name, dim)
        width = dim * (2 if s["pooling"] == "token_and_average" else 1)
        if s["fc_norm"]:
            self.norm("fc_norm", width)
        self.linear("head", CLASSES, width)
        if s["distillation_token"]:
            self.linear("head_dist", CLASSES, dim)

    def dims(self):
        return [stage["embed_dim"] for stage in self.spec["stages"]]

    def swin(self):
        first, last = self.dims()
        self.convolution("patch_embed.proj", first, 3, self.spec["patch_size"])
        self.norm("patch_embed.norm", first)
        step = f"layers.{int(self.spec['family'] == 'swin')}.downsample."
        self.norm(step + "norm", 4 * first)
        self.linear(step + "reduction", last, 4 * first, bias=False)
        self.norm("norm", last)
        self.linear("head.fc" if self.spec["family"] == "swin" else "head", CLASSES, last)

    def pvt(self, overlapping=False):
        channels = 3
        for s, dim in enumerate(self.dims()):
            side = (3 if s else 7) if overlapping else (2 if s else self.spec["patch_size"])
            self.convolution(f"patch_embed{s + 1}.proj", dim, channels, side)
            self.norm(f"patch_embed{s + 1}.norm", dim)
            if overlapping:
                self.norm(f"norm{s + 1}", dim)
            else:
                self.put(f"pos_embed{s + 1}", 1, (SIDE // self.spec["patch_size"] >> s) ** 2, dim)
            channels = dim
        if not overlapping:
            self.norm("norm", channels)  # in PVT's checkpoints, and read by nobody
        self.linear("head", CLASSES, channels)

    def pvt_v2(self):
        self.pvt(overlapping=True)

    def cswin(self):
        first, last = self.dims()
        self.convolution("stage1_conv_embed.0", first, 3, 7)
        self.norm("stage1_conv_embed.2", first)
        self.convolution("merge1.conv", last, first, 3)
        self.norm("merge1.norm", last)
        self.norm("norm", last)
        self.linear("head", CLASSES, last)

    def focusing(self, prefix, one, heads, keys):
        width = heads * one["v_dim"] if one.get("per_head_filters") else one["v_dim"]
        self.put(prefix + "scale", 1, 1, heads * one["qk_dim"])
        self.put(prefix + "positional_encoding", 1, keys, heads * one["qk_dim"])
        self.convolution(prefix + "dwc", width, 1, self.spec.get("filter_size", 5))

    def block(self, prefix, one, side):
        s, dim, kind, heads = self.spec, one["embed_dim"], one["attention"], one["num_heads"]
        qk, v, bias = heads * one["qk_dim"], heads * one["v_dim"], s["qkv_bias"]
        inside = prefix if s["family"] == "cswin" else prefix + "attn."
        if kind != "none":
            self.norm(prefix + "norm1", dim)
            self.linear(inside + "proj", dim, v)
        if kind == "static":
            before = s["class_token"] + s["distillation_token"] + s["register_tokens"]
            self.linear(inside + "v", v, dim, bias)
            self.convolution(inside + "filter", v, 1, one["filter"], bias=False)
            self.put(inside + "shares", v, 1 + before, 1 + before)
        elif kind != "none" and s["family"].startswith("pvt"):
            self.linear(inside + "q", qk, dim, bias)
            self.linear(inside + "kv", qk + v, dim, bias)
            ratio = one.get("sr_ratio", 1)
            if ratio > 1:
                self.convolution(inside + "sr", dim, dim, ratio)
                self.norm(inside + "norm", dim)
        elif kind != "none":
            self.linear(inside + "qkv", 2 * qk + v, dim, bias)
        if kind == "softmax" and s["qk_norm"]:
            self.norm(inside + "q_norm", one["qk_dim"])
            self.norm(inside + "k_norm", one["qk_dim"])
        if kind == "window":
            self.put(inside + "relative_position_bias_table", (2 * one["window"] - 1) ** 2, heads)
        if kind == "focused_linear":
            self.focusing(inside, one, heads, (one.get("window") or side) ** 2 // one.get("sr_ratio", 1) ** 2)
        if kind.startswith("cross"):
            stripes = 2 if one.get("window") else 1
            for i in range(stripes):
                self.convolution(f"{inside}attns.{i}.get_v", v // stripes, 1, 3)
                if kind == "cross_focused_linear":
                    self.focusing(f"{inside}attns.{i}.", one, heads // stripes, side * (one.get("window") or side))
        self.norm(prefix + "norm2", dim)
        self.linear(prefix + "mlp.fc1", one["mlp_dim"] * (2 if s.get("gated_mlp") else 1), dim)
        if s["family"] == "pvt_v2":
            self.convolution(prefix + "mlp.dwconv.dwconv", one["mlp_dim"], 1, 3)
        self.linear(prefix + "mlp.fc2", dim, one["mlp_dim"])
        if s["layer_scale"]:
            for name in ("ls1.gamma", "ls2.gamma")[kind == "none":]:
                self.put(prefix + name, dim, centre=0.5)


def contents(spec, seed):
    weights = Weights(spec, seed).out
    random = np.random.default_rng(1000 + seed)
    images = random.standard_normal((2, 3, *spec["image_size"])).astype(np.float32)
    wanted = random.standard_normal((2, CLASSES)).astype(np.float32)
    model = Reference(spec, weights)
    answer = lambda: np.stack([model(image.astype(np.float64)) for image in images])  # noqa: E731
    out = {"input": images, "output": answer().astype(np.float32), "output_weights": wanted}
    out.update({"weights/" + name: value for name, value in weights.items()})
    for name, value in model.weights.items():
        if spec["family"] == "pvt" and name.startswith("norm."):
            continue
        places = random.choice(value.size, min(PLACES, value.size), replace=False)
        grads = []
        for place in places:
            middle = value.flat[place]
            ends = []
            for step in (STEP, -STEP):
                value.flat[place] = middle + step
                ends.append((answer() * wanted).sum())
            value.flat[place] = middle
            grads.append((ends[0] - ends[1]) / (2 * STEP))
        out["places/" + name] = places.astype(np.int64)
        out["grads/" + name] = np.array(grads, np.float32)
    return out


def encoded(tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, value in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(np.ascontiguousarray(value).tobytes() for value in tensors.values())


def main():
    for seed, (name, spec) in enumerate(models().items()):
        with open(os.path.join(HERE, name + ".safetensors"), "wb") as file:
            file.write(encoded(contents(spec, seed), {"spec": json.dumps(spec, separators=(",", ":"))}))


if __name__ == "__main__":
    main()
