"""The fields of a ModelSpec. Made from the C++ library's list (src/core/model_spec_fields.h) by the program spec_fields when
vitrim is built. Change that list, not this file."""

import dataclasses
from typing import List, Optional

VERSION = 1
ATTENTION_KINDS = ("none", "softmax", "window", "focused_linear", "cross_shaped_window", "cross_focused_linear", "static")
FORMER_ATTENTION_KINDS = {"cross_window": "cross_shaped_window"}
ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "relu", "silu")
POOLINGS = ("token", "average", "token_and_average")
FAMILIES = ("vit", "swin", "flatten_swin", "pvt", "pvt_v2", "cswin")
# The fields that every executor supports; a spec with any other field needs an executor that declares it.
COMMON = {
    "blocks",
    "blocks.attention",
    "blocks.embed_dim",
    "blocks.mlp_dim",
    "blocks.num_heads",
    "blocks.qk_dim",
    "blocks.stream_gain",
    "blocks.v_dim",
    "class_names",
    "class_token",
    "distillation_token",
    "embed_dim",
    "embed_prefix_tokens",
    "family",
    "fc_norm",
    "final_norm",
    "image_size",
    "in_channels",
    "layer_scale",
    "name",
    "norm_eps",
    "num_classes",
    "patch_size",
    "pooling",
    "pre_norm",
    "preprocess",
    "qk_norm",
    "qkv_bias",
    "register_tokens",
    "stages",
    "version",
}


def _sometimes(default, formerly=""):
    """A field that is written only if its value is not `default`; `formerly` is its name in older files."""
    return dataclasses.field(default=default, metadata={"unless": default, "formerly": formerly})


def _sometimes_list():
    """A list that is written only if it is not empty."""
    return dataclasses.field(default_factory=list, metadata={"unless": []})


@dataclasses.dataclass
class BlockSpec:
    """One block: y = stream_gain * x + A(LN1 x), z = y + M(LN2 y), with attention A and MLP M."""
    attention: str = "softmax"
    embed_dim: int = 0
    num_heads: int = 0
    qk_dim: int = 0
    v_dim: int = 0
    mlp_dim: int = 0
    stream_gain: float = 1.0
    window: int = _sometimes(0)
    shift: int = _sometimes(0)
    sr_ratio: int = _sometimes(1)
    merge: int = _sometimes(0)
    filter: int = _sometimes(0)
    per_head_filters: bool = _sometimes(False, "own_filters")
    int8: List[str] = _sometimes_list()
    int4: List[str] = _sometimes_list()


@dataclasses.dataclass
class StageSpec:
    """A stage: `depth` consecutive blocks on one map of tokens with `embed_dim` channels."""
    depth: int = 0
    embed_dim: int = 0


@dataclasses.dataclass
class PreprocessSpec:
    """How images are prepared: resize the short side, crop the centre, (x / 255 - mean) / std."""
    mean: List[float] = dataclasses.field(default_factory=lambda: [0.5, 0.5, 0.5])
    std: List[float] = dataclasses.field(default_factory=lambda: [0.5, 0.5, 0.5])
    resize: Optional[int] = None
    crop: int = 224
    interpolation: str = "bicubic"
    squash: bool = _sometimes(False)


@dataclasses.dataclass
class ModelFields:
    """The architecture of a model. Default values are those of timm's VisionTransformer."""
    family: str = "vit"
    name: str = ""
    image_size: List[int] = dataclasses.field(default_factory=lambda: [224, 224])
    patch_size: int = 16
    in_channels: int = 3
    num_classes: int = 1000
    embed_dim: int = 0
    class_token: bool = True
    distillation_token: bool = False
    register_tokens: int = 0
    embed_prefix_tokens: bool = True
    pooling: str = "token"
    pre_norm: bool = False
    final_norm: bool = True
    fc_norm: bool = False
    qkv_bias: bool = True
    qk_norm: bool = False
    layer_scale: bool = False
    norm_eps: float = 1e-06
    activation: str = _sometimes("gelu")
    gated_mlp: bool = _sometimes(False)
    focusing_factor: int = _sometimes(3)
    filter_size: int = _sometimes(5)
    stages: List[StageSpec] = _sometimes_list()
    blocks: List[BlockSpec] = dataclasses.field(default_factory=lambda: [])
    preprocess: Optional[PreprocessSpec] = None
    class_names: List[str] = _sometimes_list()
