"""Linear layers in int8, as `vitrim quantize` writes them (docs/quantization.md)."""

import json
from typing import Dict, List

import torch
from torch import Tensor, nn

INPUT_GAIN = "input_gain"  # a buffer of the layers whose input is multiplied, channel by channel, before it is quantised
# The layers of a block, by the last part of their names, as the spec calls them.
_LAYERS = {"qkv": "qkv", "q": "qkv", "kv": "qkv", "proj": "proj", "fc1": "fc1", "fc2": "fc2"}
_EXACT = 1024  # products of two numbers up to 127 whose sum float32 holds exactly: 1024 * 127 * 127 < 2^24


class Int8Linear(nn.Module):
    """y = (sum x_q weight) (max |x| / 127) weight_scale + bias, x_q = round(x 127 / max |x|) token by token, x multiplied by `input_gain` before
    where the layer has one. The sums are exact; no gradient flows."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("weight", torch.zeros(out_features, in_features, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(out_features, 1))
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)
        self.register_buffer(INPUT_GAIN, None)

    def forward(self, x: Tensor) -> Tensor:
        values = x.float() if self.input_gain is None else x.float() * self.input_gain
        largest = values.abs().amax(-1, keepdim=True)
        steps = torch.where(largest > 0, 127.0 / largest, torch.zeros_like(largest))
        rows, weight = (values * steps).round(), self.weight.float()
        parts = [nn.functional.linear(rows[..., i:i + _EXACT], weight[:, i:i + _EXACT]) for i in range(0, self.in_features, _EXACT)]
        sums = parts[0] if len(parts) == 1 else sum(part.to(torch.int32) for part in parts).float()
        out = sums * (largest / 127.0) * self.weight_scale.flatten()
        return (out if self.bias is None else out + self.bias).to(x.dtype)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def put_int8_layers(block: nn.Module, names: List[str]) -> None:
    """Replaces the linear layers of a block that the spec names (`int8`)."""
    for path, module in list(block.named_modules()):
        holder, _, name = path.rpartition(".")
        if isinstance(module, nn.Linear) and _LAYERS.get(name) in names:
            layer = Int8Linear(module.in_features, module.out_features, module.bias is not None).to(module.weight.device)
            setattr(block.get_submodule(holder), name, layer)


def compressed_tensors_config(model: nn.Module) -> str:
    """The `quantization_config` of a model with int8 layers, as `vitrim quantize` writes it; "" where no layer is int8, or one reads its input times a gain,
    for which the convention has no word."""
    layers = {path: module for path, module in model.named_modules() if isinstance(module, Int8Linear)}
    if not layers or any(getattr(module, "input_gain", None) is not None for module in layers.values()):
        return ""

    def eight_bits(strategy: str, dynamic: bool) -> dict:
        return {"num_bits": 8, "type": "int", "symmetric": True, "strategy": strategy, "dynamic": dynamic}

    group = {"targets": list(layers), "weights": eight_bits("channel", False), "input_activations": eight_bits("token", True)}
    config = {"quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed", "config_groups": {"group_0": group}, "ignore": []}
    return json.dumps(config, separators=(",", ":"))


def put_input_gains(model: nn.Module, state: Dict[str, Tensor]) -> None:
    """Gives the int8 layers of which `state` holds factors on the input a buffer for them."""
    for path, module in model.named_modules():
        if isinstance(module, Int8Linear) and f"{path}.{INPUT_GAIN}" in state:
            setattr(module, INPUT_GAIN, torch.ones(module.in_features, device=module.weight.device))
