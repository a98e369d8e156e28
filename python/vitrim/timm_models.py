"""Checkpoints of vitrim in timm: importing this registers the model `vitrim`, so that

    timm.create_model("vitrim", checkpoint="smaller.safetensors", num_classes=100)

works, and timm's own scripts run with it:

    python -m vitrim.timm_models train.py DATA --model vitrim --model-kwargs checkpoint=smaller.safetensors ...
"""

import importlib
import runpy
import sys
from typing import Any, Optional

from timm.models import register_model

from .blocks import Model
from .checkpoint import load

# Arguments that create_model may pass, with the values that request nothing.
_IDLE = {"drop_rate": (0.0,), "scriptable": (False,), "exportable": (False,), "no_jit": (False,)}
_IGNORED = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "pretrained_strict")


def vitrim(pretrained: bool = False, *, checkpoint: str = "", num_classes: Optional[int] = None, drop_path_rate: Optional[float] = None, global_pool: Optional[str] = None,
           img_size: Any = None, in_chans: Optional[int] = None, **other: Any) -> Model:
    """timm's entry point: `checkpoint` is the file; its weights are always loaded."""
    if not checkpoint:
        raise ValueError("the model 'vitrim' needs checkpoint=FILE (--model-kwargs checkpoint=FILE in timm's scripts)")
    for name, value in other.items():
        if name not in _IGNORED and value is not None and value not in _IDLE.get(name, ()):
            raise ValueError(f"the model 'vitrim' takes no {name}={value}: everything else is in the checkpoint")
    model = load(checkpoint, num_classes=num_classes, drop_path_rate=drop_path_rate or 0.0)
    size = [img_size, img_size] if isinstance(img_size, int) else img_size
    for name, wanted, own in (("global_pool", global_pool or None, model.pooling_name()), ("img_size", size and list(size), model.spec.image_size), ("in_chans", in_chans, model.spec.in_channels)):
        if wanted is not None and wanted != own:
            raise ValueError(f"the checkpoint's model has {name} {own}, not {wanted}")
    return model


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m vitrim.timm_models SCRIPT.py ARGUMENTS...")
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    importlib.import_module("vitrim.timm_models")
    main()
else:
    register_model(vitrim)
