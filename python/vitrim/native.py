"""The C++ library (vitrim._library): whether it is available, and the conversion of models and tensors between it and PyTorch."""

import importlib
import operator
import os
import sys
import threading
import warnings
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import torch  # before the library: the LibTorch of this torch is the one that serves both
from torch import Tensor, nn
from torch.utils.dlpack import from_dlpack, to_dlpack

from .spec import ModelSpec

_library = None
_reason: Optional[str] = None
_fork = threading.local()  # `happened` on the one thread that a forked process begins with

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: setattr(_fork, "happened", True))


def _load() -> None:
    global _library, _reason
    if _library is not None or _reason is not None:
        return
    try:
        library = importlib.import_module("vitrim._library")
    except ModuleNotFoundError as error:
        if error.name != "vitrim._library":
            raise
        _reason = "vitrim was installed without its C++ library: load and save work, everything else needs `pip install ./python` without VITRIM_PYTHON_ONLY"
        return
    except ImportError as error:
        _reason = f"vitrim's C++ library does not fit this torch ({torch.__version__}): install vitrim again with `pip install --force-reinstall --no-deps ./python` ({error})"
        return
    if library.TORCH_VERSION != torch.__version__.split("+")[0]:
        _reason = (f"vitrim's C++ library was built with LibTorch {library.TORCH_VERSION}, but this is torch {torch.__version__}: `pip install torch=={library.TORCH_VERSION}`, "
                   "or build vitrim with this torch (VITRIM_TORCH names it) and `pip install --force-reinstall --no-deps ./python`")
        return
    _library = library


def available() -> bool:
    _load()
    return _library is not None


def reason() -> str:
    """Why the extension is not available, with the remedy; empty if it is."""
    _load()
    return _reason or ""


def library() -> Any:
    """The extension; raises ImportError, with the remedy, if it is missing."""
    _load()
    if _library is None:
        raise ImportError(_reason)
    settle_after_fork()
    return _library


def settle_after_fork() -> None:
    """In a forked process LibTorch's threads are missing, and the thread that forked would wait for them for ever, so it continues with one
    thread, as in PyTorch's data loaders."""
    if getattr(_fork, "happened", False):
        _fork.happened = False
        torch.set_num_threads(1)


def printable(text: str) -> str:
    """The text with invalid bytes of a path (surrogates) written as \\xNN."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def capsule(tensor: Tensor) -> Any:
    return to_dlpack(tensor.detach())


# Properties that a file may not state: arguments of every function that opens one, with the names of the program's options.
HINTS = ("num_heads", "image_size", "stream_gain", "activation", "norm_eps", "pooling", "weights")


def warn(sentences: Iterable[str]) -> None:
    """Issues each one as a warning at the line that called the package; Python shows a warning once per line and text."""
    folder, level, frame = os.path.dirname(os.path.abspath(__file__)), 1, sys._getframe()
    while frame is not None and os.path.dirname(os.path.abspath(frame.f_code.co_filename)) == folder:
        frame, level = frame.f_back, level + 1
    for sentence in sentences:
        warnings.warn(sentence, UserWarning, stacklevel=level)


def open_model(model: Union[str, "os.PathLike[str]", nn.Module], *, stated: Sequence[str] = (), **hints: Any) -> Tuple[Any, str]:
    """The library's model of a file, of a known architecture's name, or of a module, and its name. `hints` are those of HINTS; a value that
    neither the file nor a hint states is assumed, with a warning, except for the options `stated` of the preprocessing."""
    from .checkpoint import unwrapped

    given = {name: value for name, value in hints.items() if value is not None}
    if isinstance(model, nn.Module):
        if given:
            raise ValueError(f"{', '.join(given)}: these apply to files; a module already determines them")
        inner = unwrapped(model)
        state = [(name, capsule(tensor.detach().to("cpu", torch.int8 if tensor.dtype == torch.int8 else torch.float32).contiguous()))
                 for name, tensor in inner.state_dict().items()]
        return library().model_of(inner.spec.to_json(), state), f"a module ({inner.spec.name or inner.spec.family})"
    name = os.path.expanduser(os.fsdecode(model))
    if "num_heads" in given:
        given["num_heads"] = [given["num_heads"]] if isinstance(given["num_heads"], int) else list(given["num_heads"])
    told: List[str] = []
    opened = library().open_model(os.fsencode(name), {**given, "stated": list(stated)}, told)
    warn(told)
    return opened, name


def taken(model: Any) -> Tuple[ModelSpec, Dict[str, Tensor]]:
    """The spec and weights of the library's model, without copies."""
    return ModelSpec.from_json(model.spec), {name: from_dlpack(tensor) for name, tensor in model.state()}


def read_model(path: str, **hints: Any) -> Tuple[ModelSpec, Dict[str, Tensor]]:
    """The spec and weights of a file, as the library reads it."""
    return taken(open_model(path, **hints)[0])


def labels_of(labels: Any) -> List[int]:
    if labels is None:
        return []
    try:
        return [operator.index(label) for label in (labels.tolist() if hasattr(labels, "tolist") else labels)]
    except TypeError:
        raise ValueError("labels must be class indices, one whole number an image") from None


def as_tensor(images: Any) -> Tensor:
    """A tensor that shares the array's memory. Arrays that torch can't represent are copied: read-only ones (Pillow's), other byte orders, and
    negative or misaligned strides."""
    if hasattr(images, "flags") and hasattr(images, "strides"):  # NumPy's
        if not images.dtype.isnative:
            images = images.astype(images.dtype.newbyteorder("="))
        if not images.flags.writeable or any(step < 0 or step % images.itemsize for step in images.strides):
            images = images.copy()
    return torch.as_tensor(images)


def _pixels(images: Any) -> Tensor:
    """uint8 images [n, 3, H, W] or [n, H, W, 3], or grey ones of one channel, from NumPy or torch, as contiguous [n, H, W, 3]."""
    pixels = as_tensor(images)
    if pixels.dtype != torch.uint8:
        kind = str(pixels.dtype).replace("torch.", "")
        raise ValueError(f"images must be uint8 (0 to 255, before any normalisation), not {kind}: the model's preprocessing does the rest")
    channels = next((c for c in (3, 1) if pixels.dim() == 4 and c in (pixels.shape[1], pixels.shape[3])), None)
    if channels is None:
        raise ValueError(f"images must be [n, height, width, 3] or [n, 3, height, width], or grey with 1 instead of 3, not {list(pixels.shape)}")
    if pixels.shape[3] != channels:
        pixels = pixels.permute(0, 2, 3, 1)
    return pixels.expand(-1, -1, -1, 3).cpu().contiguous()


def open_images(images: Any, labels: Any = None, classes: Optional[str] = None, **options: Any) -> Tuple[Any, Optional[Tuple[int, int]]]:
    """Opens the library's data set for a source as the program accepts it (folder, tar shards, .bin file, `synthetic:SPLIT[:COUNT]`), for a list
    of files, or for an array; also returns height and width if all images have the same known size. `options` are those of the library's
    DatasetOptions: class_order, class_names, labelled, max_pixels."""
    if isinstance(images, (str, bytes, os.PathLike)):
        if labels is not None:
            raise ValueError("labels come with the images of a folder, shards or a file; pass a list of files or an array to set other labels")
        told: List[str] = []
        opened = library().open_images(os.fsencode(images), {"classes": None if classes is None else os.fsencode(classes), **options}, told)
        warn(told)
        return opened, None
    if classes is not None or options.get("class_order") is not None:
        raise ValueError("classes and class_order apply to the class folders of an image folder; pass labels for an array or a list of files")
    numbers = labels_of(labels)
    if isinstance(images, (list, tuple)) and all(isinstance(item, (str, bytes, os.PathLike)) for item in images):
        return library().file_images([os.fsencode(item) for item in images], numbers, {"max_pixels": options.get("max_pixels")}), None
    if isinstance(images, (list, tuple)):
        if len({tuple(item.shape) for item in images}) != 1:
            raise ValueError("a list of arrays must hold images of one size; resize them, or pass files")
        images = torch.stack([as_tensor(item) for item in images])
    pixels = _pixels(images)
    return library().array_images(capsule(pixels), numbers), (pixels.shape[1], pixels.shape[2])
