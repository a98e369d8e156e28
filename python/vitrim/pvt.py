"""PVT and PVTv2 with FLatten-Transformer's names (for softmax attention also those of the original PVTv2). PVT's checkpoints contain a final norm,
but no computation reads it."""

import torch
from torch import Tensor, nn

from .attention import planes_of
from .blocks import Block, StagedModel, drop_rates
from .spec import ModelSpec


class PvtBlock(Block):
    separate_q = True


class PvtV2Block(PvtBlock):
    mlp_convolves = True


class _PatchEmbed(nn.Module):
    def __init__(self, spec: ModelSpec, stage: int, overlapping: bool):
        super().__init__()
        channels = spec.stage_dim(stage - 1) if stage else spec.in_channels
        stride = 2 if stage else spec.patch_size
        kernel = (3 if stage else 7) if overlapping else stride
        self.proj = nn.Conv2d(channels, spec.stage_dim(stage), kernel, stride, padding=kernel // 2 if overlapping else 0)
        self.norm = nn.LayerNorm(spec.stage_dim(stage), eps=spec.norm_eps)

    def forward(self, planes: Tensor) -> Tensor:
        return self.norm(self.proj(planes).flatten(2).transpose(1, 2))


class Pvt(StagedModel):
    block_type = PvtBlock
    stem_name = "patch_embed1.proj"
    no_decay = ("pos_embed1", "pos_embed2", "pos_embed3", "pos_embed4", "scale", "positional_encoding")
    second = False  # PVTv2: overlapping patches, a norm at each stage's end, no position embedding

    def __init__(self, spec: ModelSpec, drop_path_rate: float = 0.0):
        super().__init__(spec)
        rates = drop_rates(spec, drop_path_rate)
        for s in range(spec.num_stages):
            height, width = spec.stage_grid(s)
            setattr(self, f"patch_embed{s + 1}", _PatchEmbed(spec, s, self.second))
            setattr(self, f"block{s + 1}", self.make_stage(s, rates))
            if self.second:
                setattr(self, f"norm{s + 1}", nn.LayerNorm(spec.stage_dim(s), eps=spec.norm_eps))
            else:
                setattr(self, f"pos_embed{s + 1}", nn.Parameter(torch.zeros(1, height * width, spec.stage_dim(s))))
        if not self.second:
            # Not trained, so that neither an optimiser nor a gradient reducer waits for it.
            self.norm = nn.LayerNorm(spec.feature_dim, eps=spec.norm_eps).requires_grad_(False)
        self.head = self.new_classifier(spec.num_classes)

    def enter(self, stage: int, x: Tensor) -> Tensor:
        planes = x
        if stage > 0:
            end = getattr(self, f"norm{stage}")(x) if self.second else x
            planes = planes_of(end, self.spec.stage_grid(stage - 1))
        tokens = getattr(self, f"patch_embed{stage + 1}")(planes)
        return tokens if self.second else tokens + getattr(self, f"pos_embed{stage + 1}")

    def stage_blocks(self, stage: int) -> nn.ModuleList:
        return getattr(self, f"block{stage + 1}")

    def last_norm(self, x: Tensor) -> Tensor:
        return getattr(self, f"norm{self.spec.num_stages}")(x) if self.second else x

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict:
        blocks = r"^(?:block|patch_embed|pos_embed|norm)(\d+)" if coarse else [(r"^block(\d+)\.(\d+)", None), (r"^(?:patch_embed|pos_embed|norm)(\d+)", (0,)), (r"^norm", (99999,))]
        return {"stem": r"^patch_embed1|^pos_embed1", "blocks": blocks}


class PvtV2(Pvt):
    block_type = PvtV2Block
    second = True
