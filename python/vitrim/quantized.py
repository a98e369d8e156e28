"""Linear layers in int8, as written by `vitrim quantize` (docs/quantization.md)."""

import json
from typing import Dict, List

import torch
from torch import Tensor, nn

from .errors import FormatError

INPUT_GAIN = "input_gain"  # a buffer of the layers whose input is multiplied, channel by channel, before it is quantised
# The layers of a block, by the last part of their names and by their names in the spec.
_LAYERS = {"qkv": "qkv", "q": "qkv", "kv": "qkv", "v": "qkv", "proj": "proj", "fc1": "fc1", "fc2": "fc2"}
_GROUP = 32  # number of inputs that share a scale in weights of 4 bits
_EXACT = 1024  # products of two numbers up to 127 whose sum float32 holds exactly: 1024 * 127 * 127 < 2^24


class Int8Linear(nn.Module):
    """y = (sum x_q weight) (max |x| / 127) weight_scale + bias, where x_q = round(x 127 / max |x|) for each token, and x is first multiplied by
    `input_gain` if the layer has one. The sums are exact; no gradient flows."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight_bits = 8  # 4: files hold the weight in 4 bits; the computation is the same
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
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}, weight_bits={self.weight_bits}"


def put_int8_layers(block: nn.Module, names: List[str], int4: List[str]) -> None:
    """Replaces the linear layers of a block that the spec lists (`int8`, and among these `int4`)."""
    for path, module in list(block.named_modules()):
        holder, _, name = path.rpartition(".")
        if isinstance(module, nn.Linear) and _LAYERS.get(name) in names:
            layer = Int8Linear(module.in_features, module.out_features, module.bias is not None).to(module.weight.device)
            layer.weight_bits = 4 if _LAYERS[name] in int4 else 8
            setattr(block.get_submodule(holder), name, layer)


def _layers_of(model: nn.Module, bits: int) -> Dict[str, Int8Linear]:
    return {path: module for path, module in model.named_modules() if isinstance(module, Int8Linear) and module.weight_bits == bits}


def unpack_int4(model: nn.Module, state: Dict[str, Tensor], source: str) -> Dict[str, Tensor]:
    """`state` with int8 weights and one scale per row in place of the packed tensors of 4-bit layers (vitrim/weights/int4.h describes them)."""
    out = dict(state)
    for path, layer in _layers_of(model, 4).items():
        names = [f"{path}.weight_{part}" for part in ("packed", "scale", "shape")]
        if names[0] not in out:
            continue  # of the C++ library, which has unpacked it, or missing
        for name, shape in zip(names, ((layer.out_features, -(-layer.in_features // 8)), (layer.out_features, -(-layer.in_features // _GROUP)), (2,))):
            if name not in out or tuple(out[name].shape) != shape:
                raise FormatError(f"{source}: {name}: expected {list(shape)}, found {list(out[name].shape) if name in out else 'nothing'}")
        packed, scales, shape = (out.pop(name) for name in names)
        if packed.dtype != torch.int32 or not scales.is_floating_point() or shape.tolist() != [layer.out_features, layer.in_features]:
            raise FormatError(f"{source}: {path}.weight: its packed form is not int32, its scales are not floating-point numbers, or its shape belongs to another layer")
        q = torch.stack([(packed >> (4 * i) & 15) - 8 for i in range(8)], -1).flatten(1)[:, :layer.in_features]
        # Scales as integer multiples of a row's greatest common divisor, in units of the lowest last bit of the row.
        if not (torch.isfinite(scales) & (scales > 0)).all():
            raise FormatError(f"{source}: {names[1]}: a scale is not positive")
        mantissa, exponent = torch.frexp(scales.double())
        lowest = exponent.min(1, keepdim=True).values
        whole = (mantissa * 2.0**24).long() << (exponent - lowest).clamp(max=8)
        measure = whole[:, :1]
        for column in whole.split(1, 1):
            measure = torch.gcd(measure, column)
        factors = whole // measure
        values = q * factors.repeat_interleave(_GROUP, 1)[:, :layer.in_features]
        if factors.max() > 127 or values.abs().max() > 127:
            raise FormatError(f"{source}: {names[1]}: the scales of a row are not whole multiples (1 to 127) of one number, as vitrim quantize writes them")
        out[f"{path}.weight"] = values.to(torch.int8)
        out[f"{path}.weight_scale"] = torch.ldexp(measure.double(), lowest - 24).float()
    return out


def pack_int4(model: nn.Module, state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """The inverse of unpacking."""
    packed = {}
    for path, layer in _layers_of(model, 4).items():
        values = nn.functional.pad(state[f"{path}.weight"].long(), (0, -layer.in_features % _GROUP)).unflatten(1, (-1, _GROUP))
        factors = values[..., 0].abs()
        for i in range(1, _GROUP):
            factors = torch.gcd(factors, values[..., i].abs())
        factors = factors.clamp(min=1)
        q = values // factors.unsqueeze(-1)
        scales = (state[f"{path}.weight_scale"].double() * factors).float()
        if q.abs().max() > 7 or not torch.equal(scales.double(), state[f"{path}.weight_scale"].double() * factors):
            raise ValueError(f"{path}: its weights are not of 4 bits in groups of {_GROUP}, as vitrim quantize makes them")
        q = q.flatten(1)[:, :layer.in_features] + 8
        words = nn.functional.pad(q, (0, -layer.in_features % 8)).unflatten(1, (-1, 8))
        words = sum(words[..., i] << (4 * i) for i in range(8))
        exact = torch.equal(scales.half().float(), scales) and (scales >= 2.0**-14).all()
        packed[path] = {"packed": torch.where(words >= 2**31, words - 2**32, words).to(torch.int32), "scale": scales.half() if exact else scales,
                        "shape": torch.tensor([layer.out_features, layer.in_features])}
    out = {}
    for name, tensor in state.items():
        path, _, last = name.rpartition(".")
        if path in packed and last == "weight":
            out.update({f"{path}.weight_{part}": value.contiguous() for part, value in packed[path].items()})
        elif path not in packed or last != "weight_scale":
            out[name] = tensor
    return out


def compressed_tensors_config(model: nn.Module) -> str:
    """The `quantization_config` of a model with int8 layers, as written by `vitrim quantize`; "" if no layer is int8, and if the convention can't
    describe one: a gain on its input, or 4 bits with a last group that is shorter than the others."""
    eight, four = _layers_of(model, 8), _layers_of(model, 4)
    layers = {**eight, **four}
    if not layers or any(layer.input_gain is not None for layer in layers.values()) or any(layer.in_features % _GROUP for layer in four.values()):
        return ""

    def numbers(bits: int, strategy: str, dynamic: bool) -> dict:
        return {"num_bits": bits, "type": "int", "symmetric": True, "strategy": strategy, "dynamic": dynamic}

    groups = {}
    for targets, weights, form in ((eight, numbers(8, "channel", False), "int-quantized"), (four, {**numbers(4, "group", False), "group_size": _GROUP}, "pack-quantized")):
        if targets:
            groups[f"group_{len(groups)}"] = {"targets": list(targets), "weights": weights, "input_activations": numbers(8, "token", True), **({"format": form} if four else {})}
    form = "mixed-precision" if eight and four else "pack-quantized" if four else "int-quantized"
    config = {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed", "config_groups": groups, "ignore": []}
    return json.dumps(config, separators=(",", ":"))


def put_input_gains(model: nn.Module, state: Dict[str, Tensor]) -> None:
    """Adds a buffer to each int8 layer for which `state` has factors on the input."""
    for path, module in model.named_modules():
        if isinstance(module, Int8Linear) and f"{path}.{INPUT_GAIN}" in state:
            setattr(module, INPUT_GAIN, torch.ones(module.in_features, device=module.weight.device))
