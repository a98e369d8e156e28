"""CSwin with FLatten-Transformer's names (those of the original CSwin). Half of the heads work in stripes that go down the map, half in stripes
across; without stripes all heads attend over the whole map. Within a stripe, attention is softmax or focused linear attention."""

import torch
from torch import Tensor, nn

from .attention import Fixed, Focusing, Grid, from_windows, join_heads, planes_of, softmax_attend, split_heads, to_windows
from .blocks import Block, StagedModel, drop_rates
from .spec import BlockSpec, ModelSpec


class _Stripes(nn.Module, Focusing):
    """One direction of stripes; a depthwise filter of v adds positions."""

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, stripe: Grid, heads: int):
        super().__init__()
        self.grid, self.stripe, self.heads = grid, stripe, heads
        self.linear = block.attention == "cross_focused_linear"
        if self.linear:
            self.add_focusing(spec, block, heads, stripe[0] * stripe[1])
        width = heads * block.v_dim
        self.get_v = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (to_windows(t, self.grid, self.stripe) for t in (q, k, v))
        if self.linear:
            mixed = self.focus(q, k, v, self.stripe)
        else:
            mixed = join_heads(softmax_attend(*(split_heads(t, self.heads) for t in (q, k, v))))
        positions = self.get_v(planes_of(v, self.stripe)).flatten(2).transpose(1, 2)
        return from_windows(mixed + positions, self.grid, self.stripe)


class CswinBlock(Block, Fixed):
    """The parameters of the attention belong to the block itself."""

    def add_attention(self, spec: ModelSpec, block: BlockSpec, grid: Grid) -> None:
        self.fixed = block.attention == "static"
        if self.fixed:
            self.add_fixed(spec, block, grid)
            return
        heads, width = block.num_heads, block.window
        qk, v = heads * block.qk_dim, heads * block.v_dim
        self.widths = (qk, qk, v)
        self.qkv = nn.Linear(block.embed_dim, 2 * qk + v, bias=spec.qkv_bias)
        stripes = [(grid[0], width), (width, grid[1])] if width else [grid]
        self.attns = nn.ModuleList(_Stripes(spec, block, grid, stripe, heads // len(stripes)) for stripe in stripes)
        self.proj = nn.Linear(v, block.embed_dim)

    def attend(self, x: Tensor) -> Tensor:
        if self.fixed:
            return self.attend_fixed(x)
        parts = [t.chunk(len(self.attns), dim=2) for t in self.qkv(x).split(self.widths, dim=2)]
        mixed = [attn(*part) for attn, part in zip(self.attns, zip(*parts))]
        return self.proj(torch.cat(mixed, 2) if len(mixed) > 1 else mixed[0])


class _Tokens(nn.Module):
    def forward(self, planes: Tensor) -> Tensor:
        return planes.flatten(2).transpose(1, 2)


class _Step(nn.Module):
    def __init__(self, spec: ModelSpec, stage: int):
        super().__init__()
        self.grid = spec.stage_grid(stage - 1)
        self.conv = nn.Conv2d(spec.stage_dim(stage - 1), spec.stage_dim(stage), 3, 2, 1)
        self.norm = nn.LayerNorm(spec.stage_dim(stage), eps=spec.norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(planes_of(x, self.grid)).flatten(2).transpose(1, 2))


class Cswin(StagedModel):
    block_type = CswinBlock
    stem_name = "stage1_conv_embed.0"
    no_decay = ("scale", "positional_encoding")

    def __init__(self, spec: ModelSpec, drop_path_rate: float = 0.0):
        super().__init__(spec)
        rates = drop_rates(spec, drop_path_rate)
        self.stage1_conv_embed = nn.Sequential(nn.Conv2d(spec.in_channels, spec.embed_dim, 7, spec.patch_size, 2), _Tokens(), nn.LayerNorm(spec.embed_dim, eps=spec.norm_eps))
        for s in range(spec.num_stages):
            if s > 0:
                setattr(self, f"merge{s}", _Step(spec, s))
            setattr(self, f"stage{s + 1}", self.make_stage(s, rates))
        self.norm = nn.LayerNorm(spec.feature_dim, eps=spec.norm_eps)
        self.head = self.new_classifier(spec.num_classes)

    def enter(self, stage: int, x: Tensor) -> Tensor:
        return getattr(self, f"merge{stage}")(x) if stage else self.stage1_conv_embed(x)

    def stage_blocks(self, stage: int) -> nn.ModuleList:
        return getattr(self, f"stage{stage + 1}")

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict:
        blocks = r"^(?:stage|merge)(\d+)" if coarse else [(r"^stage(\d+)\.(\d+)", None), (r"^merge(\d+)", (0,)), (r"^norm", (99999,))]
        return {"stem": r"^stage1_conv_embed", "blocks": blocks}
