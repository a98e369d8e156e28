"""ModelSpec: an architecture as plain data, as stored in a checkpoint's metadata. The format is that of the C++ library
(include/vitrim/core/model_spec.h): a spec that is read and written again is the same text."""

import dataclasses
import difflib
import json
from typing import Any, List, Optional

from .errors import FormatError
from .spec_fields import ACTIVATIONS, ATTENTION_KINDS, COMMON, FAMILIES, FORMER_ATTENTION_KINDS, POOLINGS, VERSION, BlockSpec, ModelFields, PreprocessSpec, StageSpec

METADATA_KEY = "vitrim.spec"
# The fields that this package's modules implement, in addition to those of every spec. A spec that sets any other field is refused, so a new field
# needs no change here to be safe.
FOLLOWED = COMMON | {"activation", "gated_mlp", "focusing_factor", "filter_size", "blocks.window", "blocks.shift", "blocks.sr_ratio",
                     "blocks.merge", "blocks.filter", "blocks.per_head_filters", "blocks.int8", "blocks.int4", "preprocess.mean", "preprocess.std", "preprocess.resize", "preprocess.crop",
                     "preprocess.interpolation", "preprocess.squash"}


@dataclasses.dataclass
class ModelSpec(ModelFields):
    """A complete architecture. Defaults are those of timm's VisionTransformer."""

    @property
    def prefix_tokens(self) -> int:
        return int(self.class_token) + int(self.distillation_token) + self.register_tokens

    @property
    def num_stages(self) -> int:
        return len(self.stages) or 1

    def stage_dim(self, stage: int) -> int:
        return self.stages[stage].embed_dim if self.stages else self.embed_dim

    def stage_grid(self, stage: int):
        """Height and width of a stage's map of patch tokens."""
        return tuple((side // self.patch_size) >> stage for side in self.image_size)

    def stage_blocks(self, stage: int) -> range:
        """The blocks of a stage."""
        if not self.stages:
            return range(len(self.blocks))
        first = sum(s.depth for s in self.stages[:stage])
        return range(first, first + self.stages[stage].depth)

    @property
    def feature_dim(self) -> int:
        """Width of the features that the classifier reads."""
        return self.stage_dim(self.num_stages - 1) * (2 if self.pooling == "token_and_average" else 1)

    @property
    def quantized(self) -> bool:
        """Whether any layer is int8."""
        return any(block.int8 for block in self.blocks)

    @property
    def merges(self) -> bool:
        return any(block.merge > 0 for block in self.blocks)

    def to_json(self) -> str:
        return json.dumps({"version": VERSION, **_written(self)}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str, source: str = "the model spec") -> "ModelSpec":
        """Raises FormatError, with `source` and the key, if the document is not a spec that this version supports."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:  # the latter: nested without end
            raise FormatError(f"{source}: the model spec is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise FormatError(f"{source}: the model spec is not a JSON object")
        version = document.pop("version", None)
        if not isinstance(version, int) or not 1 <= version <= VERSION:
            raise FormatError(f"{source}: version {version} of the model spec is not supported (newest {VERSION}): update vitrim")
        spec = _read(ModelSpec, document, source, "")
        _validate(spec, source)
        reason = why_not(spec)
        if reason:
            raise FormatError(f"{source}: {reason}")
        return spec


def why_not(spec: ModelSpec) -> str:
    """Empty if this package's modules implement everything in the spec, else a sentence that names what they do not implement."""
    def unknown(value, prefix: str) -> List[str]:
        said = (field for field in dataclasses.fields(value) if "unless" not in field.metadata or getattr(value, field.name) != field.metadata["unless"])
        return [prefix + field.name for field in said if prefix + field.name not in FOLLOWED]

    found = unknown(spec, "")
    for block in spec.blocks:
        found += unknown(block, "blocks.")
    if spec.preprocess is not None:
        found += unknown(spec.preprocess, "preprocess.")
    return f"vitrim's Python modules do not support field \"{found[0]}\"; use vitrim eval, or vitrim's C++ library" if found else ""


_NESTED = {("ModelSpec", "blocks"): BlockSpec, ("ModelSpec", "stages"): StageSpec, ("ModelSpec", "preprocess"): PreprocessSpec}


def _written(value: Any) -> Any:
    if isinstance(value, list):
        return [_written(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    out = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if "unless" in field.metadata and item == field.metadata["unless"]:
            continue
        out[field.name] = _written(item)
    return out


def _read(kind, document, source: str, place: str):
    if not isinstance(document, dict):
        raise FormatError(f"{source}: {place or 'the model spec'}: expected an object")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    renamed = {field.metadata["formerly"]: name for name, field in fields.items() if field.metadata.get("formerly")}
    document = {renamed.get(key, key): value for key, value in document.items()}
    if kind is ModelSpec and "segmentation" in document:
        raise FormatError(f"{source}: this is a model for segmentation, and this package loads classifiers only: use vitrim eval, or vitrim's C++ library")
    for key in document:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1, 0)[0]
            raise FormatError(f"{source}: {place}{key}: unknown key (the nearest is \"{near}\"); a newer vitrim may have written it: update vitrim")
    values = {}
    for name, field in fields.items():
        if name not in document:
            if "unless" in field.metadata:
                continue
            raise FormatError(f"{source}: {place}{name}: the key is missing")
        value, nested = document[name], _NESTED.get((kind.__name__, name))
        if nested and isinstance(value, list):
            value = [_read(nested, item, source, f"{place}{name}.{i}.") for i, item in enumerate(value)]
        elif nested and value is not None:
            value = _read(nested, value, source, f"{place}{name}.")
        else:
            _check_type(value, field.type, source, place + name)
        values[name] = FORMER_ATTENTION_KINDS.get(value, value) if (kind, name) == (BlockSpec, "attention") else value
    return kind(**values)


_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _check_type(value, kind, source: str, place: str) -> None:
    if kind in (List[int], List[float], List[str]):
        if not isinstance(value, list):
            raise FormatError(f"{source}: {place}: expected a list")
        for item in value:
            _check_type(item, kind.__args__[0], source, place)
        return
    if kind == Optional[int]:
        if value is None:
            return
        kind = int
    if kind not in _PLAIN:
        if value is not None:
            raise FormatError(f"{source}: {place}: expected nothing or an object")
        return
    good = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if not good or (kind in (int, float) and isinstance(value, bool)):
        raise FormatError(f"{source}: {place}: expected {_PLAIN[kind]}")


def _validate(spec: ModelSpec, source: str) -> None:
    """Checks values that would otherwise cause a confusing failure later; the C++ library checks more before it writes a spec."""
    def need(good: bool, what: str) -> None:
        if not good:
            raise FormatError(f"{source}: the model spec contradicts itself: {what}")

    need(spec.family in FAMILIES, f"family \"{spec.family}\" is not one of {', '.join(FAMILIES)}")
    need(len(spec.image_size) == 2, "image_size is not height and width")
    need(spec.pooling in POOLINGS, f"pooling \"{spec.pooling}\" is not one of {', '.join(POOLINGS)}")
    need(spec.activation in ACTIVATIONS, f"activation \"{spec.activation}\" is not one of {', '.join(ACTIVATIONS)}")
    need(len(spec.class_names) in (0, spec.num_classes), f"{len(spec.class_names)} class names for {spec.num_classes} classes")
    sizes = [spec.patch_size, spec.in_channels, spec.embed_dim, spec.focusing_factor, spec.filter_size, *spec.image_size]
    need(all(1 <= size <= 2**20 for size in sizes) and 0 <= spec.num_classes <= 2**20 and 0 <= spec.register_tokens <= 2**20, "a size is out of range")
    need(all(side % spec.patch_size == 0 for side in spec.image_size), "patch_size does not divide image_size")
    if spec.preprocess is not None:
        need(all(v <= 1 for v in (*spec.preprocess.mean, *spec.preprocess.std)), "means and deviations above 1 are for pixels from 0 to 255, but they must be for pixels from 0 to 1; divide by 255")
    need(len(spec.blocks) > 0, "it has no blocks")
    need(not spec.stages or sum(stage.depth for stage in spec.stages) == len(spec.blocks), "the stages and the model have different numbers of blocks")
    need(not spec.stages or all(side % (1 << (len(spec.stages) - 1)) == 0 for side in (s // spec.patch_size for s in spec.image_size)), "the map cannot be halved between all stages")
    need((spec.family == "vit") == (not spec.stages), "a ViT has no stages, every other family has")
    need(spec.pooling == "average" or spec.class_token, f"pooling \"{spec.pooling}\" needs class_token")
    for stage in range(spec.num_stages):
        for i in spec.stage_blocks(stage):
            block = spec.blocks[i]
            need(block.attention in ATTENTION_KINDS, f"block {i}: attention \"{block.attention}\" is unknown")
            need(block.embed_dim == spec.stage_dim(stage), f"block {i}: embed_dim is not the stage's")
            need(1 <= block.mlp_dim <= 2**20, f"block {i}: mlp_dim is out of range")
            need(set(block.int4) <= set(block.int8), f"block {i}: int4 names a layer that int8 does not name")
            widths = (block.num_heads, block.qk_dim, block.v_dim)
            if block.attention == "none":
                need(widths == (0, 0, 0) and block.merge == 0, f"block {i}: has no attention, but has heads or merged tokens")
            else:
                fixed = block.attention == "static"
                need(all(1 <= width <= 2**20 for width in (widths[::2] if fixed else widths)), f"block {i}: heads or their widths are out of range")
                need(not fixed or (block.qk_dim == 0 and block.filter % 2 == 1 and 1 <= block.filter <= 2**20), f"block {i}: static attention needs an odd filter and no queries")
                need(not fixed or (block.window == 0 and block.sr_ratio == 1 and not any(below.merge for below in spec.blocks[:i + 1])), f"block {i}: static attention needs every token in its place")
                need(block.sr_ratio >= 1 and block.window >= 0 and block.merge >= 0, f"block {i}: a size is negative")
                need(block.attention != "window" or block.window > 0, f"block {i}: windows without a size")
                if block.window:
                    need(all(side % block.window == 0 for side in spec.stage_grid(stage)), f"block {i}: window {block.window} does not divide the map")
