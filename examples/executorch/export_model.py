#!/usr/bin/env python3
"""A compressed model for ExecuTorch, which runs it on phones and small devices: torch.export, lowered to XNNPACK, and run once to check that the output
is the same.

usage: export_model.py MODEL OUT.pte; needs vitrim, torch and executorch (pip install executorch)
"""

import sys

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime

import vitrim


def main():
    source, target = sys.argv[1:]
    model = vitrim.load(source)
    pixels = torch.randn(1, model.spec.in_channels, *model.spec.image_size)
    exported = torch.export.export(model, (pixels,))
    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    with open(target, "wb") as file:
        file.write(program.buffer)
    answer = Runtime.get().load_program(target).load_method("forward").execute([pixels])[0]
    with torch.no_grad():
        wanted = model(pixels)
    error = ((answer - wanted).abs().max() / wanted.abs().max()).item()
    print(f"{target}: {len(program.buffer)} bytes, differs from PyTorch by {error:.1e} of the largest output")
    if not error < 1e-4:  # float32 in another order of additions
        sys.exit("the outputs differ by more than rounding")


if __name__ == "__main__":
    main()
