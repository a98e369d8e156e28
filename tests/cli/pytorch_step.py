"""One training step of a small ViT in plain PyTorch, written from the architecture's definition: an independent reference.

usage: pytorch_step.py FOLDER; reads model.safetensors and images/ there, writes expected.safetensors.
"""

import json
import os
import struct
import sys

import numpy
import torch
import torch.nn.functional as F
from PIL import Image

folder = sys.argv[1]
HEADS, DEPTH, CLASSES = 1, 4, 10  # head width 64

with open(os.path.join(folder, "model.safetensors"), "rb") as file:
    data = file.read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
header.pop("__metadata__")
w = {}
for name, entry in header.items():
    begin, end = (8 + size + o for o in entry["data_offsets"])
    w[name] = torch.tensor(numpy.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"]).copy(), requires_grad=True)

images, labels = [], []
for group in sorted(os.listdir(os.path.join(folder, "images"))):
    for name in sorted(os.listdir(os.path.join(folder, "images", group))):
        pixels = numpy.asarray(Image.open(os.path.join(folder, "images", group, name)).convert("RGB"), dtype=numpy.float32)
        images.append(torch.tensor((pixels / 255 - 0.5) / 0.5).permute(2, 0, 1))
        labels.append(int(group.removeprefix("class")))
x, labels = torch.stack(images), torch.tensor(labels)


def norm(t, name):
    return F.layer_norm(t, t.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps=1e-6)


def linear(t, name):
    return F.linear(t, w[name + ".weight"], w[name + ".bias"])


patches = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=8).flatten(2).transpose(1, 2)
t = torch.cat([w["cls_token"].expand(len(x), -1, -1), patches], 1) + w["pos_embed"]
for i in range(DEPTH):
    p = f"blocks.{i}."
    batch, tokens, width = t.shape
    q, k, v = linear(norm(t, p + "norm1"), p + "attn.qkv").reshape(batch, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
    a = torch.softmax(q @ k.transpose(-2, -1) / (width // HEADS) ** 0.5, -1) @ v
    t = t + linear(a.transpose(1, 2).reshape(batch, tokens, width), p + "attn.proj")
    t = t + linear(F.gelu(linear(norm(t, p + "norm2"), p + "mlp.fc1")), p + "mlp.fc2")
loss = F.cross_entropy(linear(norm(t, "norm")[:, 0], "head"), labels, label_smoothing=0.1)
loss.backward()
torch.nn.utils.clip_grad_norm_(list(w.values()), 0.5)
plain = {"pos_embed", "cls_token"}
groups = [{"params": [v for n, v in w.items() if v.ndim > 1 and n not in plain], "weight_decay": 0.05},
          {"params": [v for n, v in w.items() if v.ndim <= 1 or n in plain], "weight_decay": 0.0}]
torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8).step()

out, offset, body = {}, 0, b""
for name, value in w.items():
    raw = value.detach().numpy().tobytes()
    out[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [offset, offset + len(raw)]}
    offset += len(raw)
    body += raw
text = json.dumps(out).encode()
text += b" " * (-len(text) % 8)
with open(os.path.join(folder, "expected.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + body)
