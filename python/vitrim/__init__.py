"""vitrim in Python: load compressed vision transformers as PyTorch modules, and compress, analyse and evaluate them with the C++ library.

    model = vitrim.load("smaller.safetensors")          # a torch.nn.Module, pure PyTorch
    vitrim.compress("vit.safetensors", "images/", remove="25%", output="smaller.safetensors")
"""

from .blocks import Model
from .checkpoint import build, load, save
from .engine import Engine
from .errors import Error, FormatError
from .jobs import analyze, compress, evaluate, merge, prune
from .spec import BlockSpec, ModelSpec, PreprocessSpec, StageSpec

__version__ = "0.1.0"
__all__ = ["BlockSpec", "Engine", "Error", "FormatError", "Model", "ModelSpec", "PreprocessSpec", "StageSpec", "analyze", "build", "compress", "evaluate", "load", "merge",
           "prune", "save"]
