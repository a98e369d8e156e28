"""timm and transformers import torchvision, whose operators a build for another torch does not bring; nothing in these tests calls them."""

try:
    import torchvision  # noqa: F401
except ImportError:
    pass
except RuntimeError:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
