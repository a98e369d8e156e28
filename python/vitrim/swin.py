"""Swin under timm's names, and under FLatten-Transformer's, where a stage ends with the step to the next one."""

import torch
from torch import Tensor, nn

from .blocks import StagedModel, drop_rates
from .spec import ModelSpec


class PatchMerging(nn.Module):
    """Four neighbours become one token; the lower neighbour comes before the right one."""

    def __init__(self, spec: ModelSpec, stage: int):
        super().__init__()
        before = spec.stage_dim(stage - 1)
        self.grid = spec.stage_grid(stage)
        self.norm = nn.LayerNorm(4 * before, eps=spec.norm_eps)
        self.reduction = nn.Linear(4 * before, spec.stage_dim(stage), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.grid
        merged = x.unflatten(1, (height, 2, width, 2)).permute(0, 1, 3, 4, 2, 5).flatten(3).flatten(1, 2)
        return self.reduction(self.norm(merged))


class _PatchEmbed(nn.Module):
    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.proj = nn.Conv2d(spec.in_channels, spec.embed_dim, spec.patch_size, spec.patch_size)
        self.norm = nn.LayerNorm(spec.embed_dim, eps=spec.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).flatten(2).transpose(1, 2))


class _Stage(nn.Module):
    def __init__(self, blocks: nn.ModuleList, downsample: nn.Module):
        super().__init__()
        self.downsample = downsample
        self.blocks = blocks


class _Head(nn.Module):
    def __init__(self, fc: nn.Module):
        super().__init__()
        self.fc = fc


class Swin(StagedModel):
    no_decay = ("relative_position_bias_table",)
    step_before = 0  # the step to stage s is in layers[s - step_before]

    def __init__(self, spec: ModelSpec, drop_path_rate: float = 0.0):
        super().__init__(spec)
        rates = drop_rates(spec, drop_path_rate)
        self.patch_embed = _PatchEmbed(spec)
        steps = {stage - self.step_before: PatchMerging(spec, stage) for stage in range(1, spec.num_stages)}
        self.layers = nn.ModuleList(_Stage(self.make_stage(s, rates), steps.get(s, nn.Identity())) for s in range(spec.num_stages))
        self.norm = nn.LayerNorm(spec.feature_dim, eps=spec.norm_eps)
        self.add_classifier()

    def add_classifier(self) -> None:
        self.head = _Head(self.new_classifier(self.spec.num_classes))

    head_name = "head.fc"

    def enter(self, stage: int, x: Tensor) -> Tensor:
        return self.patch_embed(x) if stage == 0 else self.layers[stage - self.step_before].downsample(x)

    def stage_blocks(self, stage: int) -> nn.ModuleList:
        return self.layers[stage].blocks

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict:
        blocks = r"^layers\.(\d+)" if coarse else [(r"^layers\.(\d+)\.downsample", (0,)), (r"^layers\.(\d+)\.\w+\.(\d+)", None), (r"^norm", (99999,))]
        return {"stem": r"^patch_embed", "blocks": blocks}


class FlattenSwin(Swin):
    no_decay = ("relative_position_bias_table", "scale", "positional_encoding")
    step_before = 1
    head_name = "head"

    def add_classifier(self) -> None:
        self.head = self.new_classifier(self.spec.num_classes)
