"""vitrim's CPU engine on NumPy arrays and torch tensors (docs/engine.md)."""

from typing import Any, Optional, Sequence, Union

import torch
from torch.utils.dlpack import from_dlpack

from . import native
from .spec import ModelSpec


class Engine:
    """A model that is ready to run on the CPU, with vitrim's own kernels.

        engine = vitrim.Engine("smaller.safetensors", threads=4)
        logits = engine(images)   # float32 [n, channels, H, W] normalised, or uint8 images of the model's size

    Images in a NumPy array give a NumPy array, images in a tensor give a tensor. Calls release the GIL; calls of one engine run one after another.
    `precision` is f32, bf16 or auto; the other arguments are those of vitrim.load. Raises ValueError if the engine does not support the architecture.
    A forked process can use an engine of its parent, unless the parent was running it during the fork (then vitrim.Error is raised).
    """

    def __init__(self, model: Any, *, threads: int = 0, precision: str = "auto", num_heads: Union[None, int, Sequence[int]] = None,
                 image_size: Optional[int] = None, stream_gain: Optional[float] = None, activation: Optional[str] = None,
                 norm_eps: Optional[float] = None, pooling: Optional[str] = None, weights: Optional[str] = None):
        if threads < 0:
            raise ValueError(f"{threads} threads")
        opened, self.name = native.open_model(model, num_heads=num_heads, image_size=image_size, stream_gain=stream_gain, activation=activation,
                                              norm_eps=norm_eps, pooling=pooling, weights=weights)
        self.spec = ModelSpec.from_json(opened.spec)
        reason = native.library().why_no_engine(opened)
        if reason:
            raise ValueError(reason)
        self._engine = native.library().Engine(opened, threads, precision)

    outputs = property(lambda self: self._engine.outputs, doc="Width of a row of the result.")
    threads = property(lambda self: self._engine.threads)
    isa = property(lambda self: self._engine.isa, doc="The instruction set in use.")
    precision = property(lambda self: self._engine.precision, doc="f32 or bf16.")

    def normalized(self, images: torch.Tensor, mean: Optional[Sequence[float]] = None, std: Optional[Sequence[float]] = None) -> torch.Tensor:
        """Normalises uint8 images of the model's size, [n, channels, H, W] or [n, H, W, channels]. Grey models use the first mean and std. Models
        with other numbers of channels than one and three accept only normalised images."""
        channels = self.spec.in_channels
        if channels not in (1, 3):
            raise ValueError(f"the engine's model takes images of {channels} channels, which uint8 images are not: pass normalised float32 images")
        if images.dim() == 4 and images.shape[1] != channels and images.shape[3] == channels:
            images = images.permute(0, 3, 1, 2)
        if images.dim() != 4 or images.shape[1] != channels:
            return images  # the caller refuses them
        own = self.spec.preprocess
        if own is None and (mean is None or std is None):
            raise ValueError(f"{self.name} does not state how its images were normalised; pass normalised float32 images")
        mean, std = (torch.as_tensor(three, dtype=torch.float32)[:channels].reshape(1, channels, 1, 1)
                     for three in (own.mean if mean is None else mean, own.std if std is None else std))
        return (images.float() / 255 - mean) / std

    def __call__(self, images: Any) -> Any:
        native.settle_after_fork()
        given = native.as_tensor(images)
        if given.dtype == torch.uint8:
            given = self.normalized(given)
        wanted = [self.spec.in_channels, *self.spec.image_size]
        if given.dtype != torch.float32 or given.dim() != 4 or list(given.shape[1:]) != wanted:
            raise ValueError(f"the engine takes float32 (normalised) or uint8 images of [n, {', '.join(map(str, wanted))}], not {str(given.dtype).replace('torch.', '')} {list(given.shape)}")
        if given.shape[0] == 0:
            out = torch.empty(0, self.outputs)
        else:
            out = from_dlpack(self._engine.run(native.capsule(given.cpu().contiguous())))
        return out if isinstance(images, torch.Tensor) else out.numpy()
