#!/usr/bin/env python3
"""The training loop of train_throughput.py in PyTorch. usage: train_torch.py eager|compile WIDTH HEADS IMAGES BATCH STEPS WARM_UP WORKERS"""

import os
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

way, width, heads, folder, batch, steps, warm_up, workers = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4], *map(int, sys.argv[5:9])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, c))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.pos = nn.Parameter(torch.randn(1, 197, width) * 0.02)
        self.blocks = nn.Sequential(*[Block() for _ in range(12)])
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, 8)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.blocks(x))[:, 0])


class Images(torch.utils.data.Dataset):
    def __init__(self):
        self.files = [(os.path.join(folder, g, f), i) for i, g in enumerate(sorted(os.listdir(folder))) for f in sorted(os.listdir(os.path.join(folder, g)))]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        pixels = torch.from_numpy(numpy.asarray(Image.open(self.files[i][0]).convert("RGB")).copy())
        return pixels.permute(2, 0, 1).to(torch.float32).div_(255).sub_(0.5).div_(0.5), self.files[i][1]


torch.manual_seed(0)
model = ViT()
run = torch.compile(model) if way == "compile" else model
groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.05},
          {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0}]
optimiser = torch.optim.AdamW(groups, lr=1e-3, fused=True)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps + warm_up)
loader = torch.utils.data.DataLoader(Images(), batch_size=batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)


def batches():
    while True:
        yield from loader


source = batches()
for step in range(steps + warm_up):
    if step == warm_up:
        began = time.perf_counter()
    images, labels = next(source)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(run(images).float(), labels, label_smoothing=0.1)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    schedule.step()
    if not torch.isfinite(loss):
        sys.exit("the loss is not finite")
print(batch * steps / (time.perf_counter() - began))
