"""vitrim in Python: load compressed vision transformers as PyTorch modules, and compress, analyse and evaluate them with the C++ library.

```python
model = vitrim.load("smaller.safetensors")  # a torch.nn.Module, pure PyTorch
vitrim.compress("vit.safetensors", "images/", remove="25%", output="smaller.safetensors")
```
"""

from importlib import metadata

from . import native
from .blocks import Model
from .checkpoint import build, load, save
from .engine import Engine
from .errors import Error, FormatError
from .hub import from_pretrained
from .jobs import analyze, compress, evaluate, merge, prune, quantize
from .spec import BlockSpec, ModelSpec, PreprocessSpec, StageSpec

try:
    __version__ = metadata.version("vitrim")
except metadata.PackageNotFoundError:  # a build tree
    try:
        __version__ = native.library().VERSION
    except ImportError:  # the parts that need no C++ work on
        __version__ = "unknown"
__all__ = ["BlockSpec", "Engine", "Error", "FormatError", "Model", "ModelSpec", "PreprocessSpec", "StageSpec", "analyze", "build", "compress", "evaluate", "from_pretrained", "load", "merge",
           "prune", "quantize", "save"]
