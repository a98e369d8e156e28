"""Converts between safetensors files and modules, in pure PyTorch."""

import contextlib
import os
from typing import Any, Dict, Optional, Sequence, Union

import torch
from torch import Tensor, nn

from . import files, native, quantized
from .blocks import Model
from .cswin import Cswin
from .errors import Error, FormatError
from .pvt import Pvt, PvtV2
from .spec import METADATA_KEY, ModelSpec
from .swin import FlattenSwin, Swin
from .vit import VisionTransformer

CLASSES = {"vit": VisionTransformer, "swin": Swin, "flatten_swin": FlattenSwin, "pvt": Pvt, "pvt_v2": PvtV2, "cswin": Cswin}
# Buffers that reference implementations register; a file may contain them.
_BUFFERS = ("relative_position_index", "attn_mask", "num_batches_tracked", "position_ids")
PathLike = Union[str, bytes, "os.PathLike[str]"]


def build(spec: ModelSpec, state: Optional[Dict[str, Tensor]] = None, *, drop_path_rate: float = 0.0, source: str = "the weights") -> Model:
    """The module of a spec with these weights (converted to float32), or with random ones. FormatError lists every missing, surplus and misshaped
    tensor."""
    native.settle_after_fork()
    if state is None:
        if spec.quantized:
            raise Error(f"{source}: layers in int8 are made from trained weights, by `vitrim quantize`; they have no random ones")
        model = CLASSES[spec.family](spec, drop_path_rate)
        model.init_weights()
        return model.eval()
    with torch.device("meta"):
        model = CLASSES[spec.family](spec, drop_path_rate)
        quantized.put_input_gains(model, state)
    state = quantized.unpack_int4(model, state, source)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    held = {name: tensor for name, tensor in state.items() if not name.endswith(_BUFFERS)}
    wrong = [f"missing {name}" for name in expected if name not in held] + [f"surplus {name}" for name in held if name not in expected]
    wrong += [f"{name}: expected {list(shape)}, found {list(held[name].shape)}" for name, shape in expected.items() if name in held and tuple(held[name].shape) != shape]
    if wrong:
        raise FormatError(f"{source}: the weights are not those of its model spec: " + "; ".join(wrong))
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    mixed = [name for name, tensor in model.state_dict().items() if (tensor.dtype == torch.int8) != (held[name].dtype == torch.int8)]
    if mixed:
        raise FormatError(f"{source}: these tensors do not fit the int8 layers that the model spec names: " + ", ".join(mixed))
    # The tensors are copied, so that training does not write into a mapped file.
    model.load_state_dict({name: held[name].detach().to(_stored(held[name], torch.float32), copy=True) for name in expected}, assign=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return model.eval()


def _stored(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    """Weights of int8 layers keep their dtype."""
    return torch.int8 if tensor.dtype == torch.int8 else dtype


def _safetensors() -> Any:
    """The package safetensors with its module for torch; raises ImportError, with the remedy, if it is missing."""
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "safetensors":
            raise
        raise ImportError("vitrim reads and writes checkpoints with the package safetensors, which is not installed: `pip install safetensors`") from None
    return safetensors


def _read(path: str):
    """The metadata and tensors of a safetensors file."""
    safetensors = _safetensors()
    if not os.path.isfile(path):
        raise Error(f"{path}: there is no such file")
    try:
        with _named(path) as name, safetensors.safe_open(name, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except (safetensors.SafetensorError, ValueError) as error:
        raise FormatError(f"{path}: no safetensors file that can be read: {error}") from None


@contextlib.contextmanager
def _named(path: str):
    """A name of the file in UTF-8, because safetensors accepts no other."""
    if path.isprintable():  # surrogates are not
        yield path
        return
    with open(path, "rb") as file:
        yield f"/proc/self/fd/{file.fileno()}"


def load(path: PathLike, *, num_classes: Optional[int] = None, drop_path_rate: float = 0.0, num_heads: Union[None, int, Sequence[int]] = None,
         image_size: Optional[int] = None, stream_gain: Optional[float] = None, activation: Optional[str] = None, norm_eps: Optional[float] = None,
         pooling: Optional[str] = None, weights: Optional[str] = None) -> Model:
    """Loads a checkpoint that vitrim wrote (a file, or a folder with model.safetensors) as a module in evaluation mode, in float32, whose outputs equal
    vitrim's own.

    The name of a known architecture, such as deit_tiny_patch16_224, gives a module with random weights.

    With a `num_classes` other than the file's, the module gets a new random classifier (0: none), to be trained. `drop_path_rate` is that of
    stochastic depth, for training. A checkpoint without vitrim's metadata needs the C++ library; without it, a ValueError names the remedy. The other
    arguments state properties that such a file may not state, or states wrongly, like the program's options; assumed values cause a warning.
    `weights` names one of several sets of weights in a file (docs/checkpoints.md), `image_size` another image size in pixels.
    """
    path = os.path.expanduser(os.fsdecode(path))
    if os.path.isfile(os.path.join(path, "model.safetensors")):
        path = os.path.join(path, "model.safetensors")
    values = (num_heads, image_size, stream_gain, activation, norm_eps, pooling, weights)
    hints = {name: value for name, value in zip(native.HINTS, values) if value is not None}
    metadata, state = _read(path) if path.endswith(".safetensors") else ({}, {})
    if METADATA_KEY in metadata and not hints:
        spec = ModelSpec.from_json(metadata[METADATA_KEY], path)
    else:
        spec, state = _understood(path, hints)
    model = build(spec, state, drop_path_rate=drop_path_rate, source=path)
    if num_classes is not None and num_classes != spec.num_classes:
        model.reset_classifier(num_classes)
    return model


def _understood(path: str, hints: Dict[str, Any]):
    """Reads a checkpoint with the C++ library: one of another program, or with hints about it."""
    if not native.available():
        if hints:
            raise ValueError(f"{path}: {', '.join(hints)} need vitrim's C++ library; leave them out, or install it: {native.reason()}")
        if not os.path.exists(path):
            raise Error(f"{path}: there is no such file or folder")
        raise ValueError(f"{path}: this file was not written by vitrim, and vitrim's C++ library, which reads other files, is missing: `vitrim export {path} --format safetensors` makes one of "
                         f"vitrim's; {native.reason()}")
    return native.read_model(path, **hints)


def unwrapped(module: nn.Module) -> Model:
    """The vitrim model inside a wrapper of torch.compile or DistributedDataParallel; TypeError if there is none."""
    inner = module
    while not isinstance(inner, Model):
        inner = getattr(inner, "_orig_mod", None) or getattr(inner, "module", None)
        if not isinstance(inner, nn.Module):
            raise TypeError(f"a {type(module).__name__} is not a model of vitrim: pass a model from vitrim.load")
    return inner


def save(module: nn.Module, path: PathLike, *, dtype: torch.dtype = torch.float32) -> None:
    """Writes weights and spec as a safetensors file, atomically; the vitrim program and vitrim.load read it. Symbolic links stay links, and an
    existing file's permissions are kept."""
    safetensors = _safetensors()
    native.settle_after_fork()
    path = os.fsdecode(path)
    if not path.endswith(".safetensors"):
        raise ValueError(f"{path}: checkpoints are written as safetensors; end the name in .safetensors")
    model = unwrapped(module)
    state = {name: tensor.detach().to("cpu", torch.float32 if name.endswith((".weight_scale", "." + quantized.INPUT_GAIN)) else _stored(tensor, dtype)).contiguous()
             for name, tensor in model.state_dict().items()}
    metadata = {METADATA_KEY: model.spec.to_json(), "format": "pt"}
    if config := quantized.compressed_tensors_config(model):
        metadata["quantization_config"] = config
    files.write(path, safetensors.torch.save(quantized.pack_int4(model, state), metadata))
