"""timm and transformers import torchvision. A torchvision for another torch lacks its compiled operators; these tests do not call them."""

try:
    import torchvision  # noqa: F401
except ImportError:
    pass
except RuntimeError:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
