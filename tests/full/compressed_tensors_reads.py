#!/usr/bin/env python3
"""Files of `vitrim quantize` read by the compressed-tensors package: `quantization_config` from the metadata, weights of every family.

usage: compressed_tensors_reads.py VITRIM
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import torch
from safetensors import safe_open

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "exporter"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import vitrim  # noqa: E402
from references import import_timm  # noqa: E402

import_timm()  # the package imports transformers, which imports the torchvision that is there
from compressed_tensors.compressors import compress_module, decompress_module  # noqa: E402
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config  # noqa: E402

VITRIM = sys.argv.pop(1)
MODELS = {"deit_tiny_patch16_224": 48, "swin_tiny_patch4_window7_224": 48, "pvt_v2_b0": 40}


def linear_layers(tensors):
    """A tree of nn.Linear under the names of a state dict's matrices."""
    root = torch.nn.Module()
    shapes = {name: tensor.shape for name, tensor in tensors.items() if name.endswith(".weight") and tensor.dim() == 2}
    shapes.update({name.removesuffix("_shape"): tensor.tolist() for name, tensor in tensors.items() if name.endswith(".weight_shape")})
    for name, (rows, columns) in shapes.items():
        *path, last = name.removesuffix(".weight").split(".")
        holder = root
        for part in path:
            if part not in dict(holder.named_children()):
                holder.add_module(part, torch.nn.Module())
            holder = holder.get_submodule(part)
        holder.add_module(last, torch.nn.Linear(columns, rows, bias=f"{name.removesuffix('.weight')}.bias" in tensors))
    return root


class CompressedTensors(unittest.TestCase):
    def test_the_weights_are_the_same(self):
        for model, layers in MODELS.items():
            with self.subTest(model), tempfile.TemporaryDirectory() as folder:
                self.same_weights(model, layers, "8", os.path.join(folder, "q.safetensors"))

    def test_weights_of_four_bits_are_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            self.same_weights("deit_tiny_patch16_224", 48, "4", os.path.join(folder, "q.safetensors"))

    def same_weights(self, model, layers, bits, path):
        subprocess.run([VITRIM, "quantize", model, "--weight-bits", bits, "-o", path, "--quiet"], check=True)
        with safe_open(path, "pt") as file:
            config = QuantizationConfig.model_validate(json.loads(file.metadata()["quantization_config"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        own = vitrim.load(path).state_dict()
        module = linear_layers(tensors)
        apply_quantization_config(module, config)
        for name, layer in list(module.named_modules()):
            if f"{name}.weight_packed" in tensors:
                compress_module(layer)  # gives it the packed parameters, which the file's then replace
        missing = module.load_state_dict(tensors, strict=False).missing_keys
        self.assertEqual(missing, [])
        read = 0
        for name, layer in list(module.named_modules()):
            if not isinstance(layer, torch.nn.Linear):
                continue
            scale = tensors.get(f"{name}.weight_scale")
            self.assertEqual(hasattr(layer, "quantization_scheme"), scale is not None, name)
            if scale is None:
                continue
            decompress_module(layer)
            weight = own[f"{name}.weight"]
            wanted = (weight.float() * own[f"{name}.weight_scale"]).to(layer.weight_scale.dtype).float()  # in what type the package holds scales
            self.assertTrue(torch.equal(layer.weight.float(), wanted), name)
            layer.weight.data = layer.weight.data.float()
            # What the package makes of inputs: steps of max |x| / 127.5 (here: / 127), the largest value cut off at 127 of them.
            x = torch.randn(1, 5, weight.shape[1], generator=torch.Generator().manual_seed(1))  # a token is a row of three dimensions there
            step = x.abs().amax(-1, keepdim=True) / 127.5
            read_as = (x / step).round().clamp(-128, 127) * step
            expected = torch.nn.functional.linear(read_as, wanted, tensors.get(f"{name}.bias"))
            # Its division may take a value at the edge of a step to the other side: up to two values a row, by a step each.
            bound = 2 * step * wanted.abs().max() + 1e-5
            with torch.no_grad():
                self.assertTrue(((layer(x) - expected).abs() <= bound).all(), name)
            read += 1
        self.assertEqual(read, layers)


if __name__ == "__main__":
    unittest.main()
