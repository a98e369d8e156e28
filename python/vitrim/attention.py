"""The kinds of attention over a map of tokens. They compute the same as the C++ library's src/model/attention_*.cpp; parameters have the names of
the reference implementations."""

import math
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .spec import BlockSpec, ModelSpec

Grid = Tuple[int, int]


def split_heads(t: Tensor, heads: int) -> Tensor:
    """[.., T, heads * width] -> [.., heads, T, width]."""
    return t.unflatten(-1, (heads, t.shape[-1] // heads)).transpose(-3, -2)


def join_heads(t: Tensor) -> Tensor:
    return t.transpose(-3, -2).flatten(-2)


def to_windows(t: Tensor, grid: Grid, window: Grid) -> Tensor:
    """Cuts a map into windows, [B, N, C] -> [B * windows, height * width, C], windows row by row."""
    if window == grid:
        return t
    (height, width), (h, w) = grid, window
    return t.reshape(-1, height // h, h, width // w, w, t.shape[2]).transpose(2, 3).reshape(-1, h * w, t.shape[2])


def from_windows(t: Tensor, grid: Grid, window: Grid) -> Tensor:
    if window == grid:
        return t
    (height, width), (h, w) = grid, window
    return t.reshape(-1, height // h, width // w, h, w, t.shape[2]).transpose(2, 3).reshape(-1, height * width, t.shape[2])


def roll_map(t: Tensor, grid: Grid, shift: int) -> Tensor:
    """The map rolled by `shift` in both directions; t [B, N, C]."""
    if shift == 0:
        return t
    return t.unflatten(1, grid).roll((shift, shift), (1, 2)).flatten(1, 2)


def softmax_attend(q: Tensor, k: Tensor, v: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """softmax(q k^T / sqrt(width) + bias) v for [.., heads, T, width]; v may have another width."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def planes_of(x: Tensor, grid: Grid) -> Tensor:
    """A map's tokens [B, N, C] as planes [B, C, H, W]."""
    return x.transpose(1, 2).unflatten(2, grid)


class Projections(nn.Module):
    """The projections: `qkv`, or `q` and `kv` (of a smaller map if sr_ratio > 1), and `proj`. Each kind of attention adds the computation between
    them."""

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, separate_q: bool):
        super().__init__()
        self.heads, self.grid, self.sr_ratio = block.num_heads, grid, block.sr_ratio
        dim, qk, v = block.embed_dim, block.num_heads * block.qk_dim, block.num_heads * block.v_dim
        self.widths = (qk, qk, v)
        if separate_q:
            self.q = nn.Linear(dim, qk, bias=spec.qkv_bias)
            self.kv = nn.Linear(dim, qk + v, bias=spec.qkv_bias)
            if block.sr_ratio > 1:
                self.sr = nn.Conv2d(dim, dim, block.sr_ratio, block.sr_ratio)
                self.norm = nn.LayerNorm(dim, eps=spec.norm_eps)
        else:
            self.qkv = nn.Linear(dim, 2 * qk + v, bias=spec.qkv_bias)
        self.separate_q = separate_q
        self.proj = nn.Linear(v, dim)

    def project(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        if not self.separate_q:
            return self.qkv(x).split(self.widths, dim=2)
        keys = x
        if self.sr_ratio > 1:
            keys = self.norm(self.sr(planes_of(x, self.grid)).flatten(2).transpose(1, 2))
        k, v = self.kv(keys).split(self.widths[1:], dim=2)
        return self.q(x), k, v


class Softmax(Projections):
    """Every token attends to all tokens, or to a smaller map of them."""

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, separate_q: bool):
        super().__init__(spec, block, grid, separate_q)
        norm = (lambda: nn.LayerNorm(block.qk_dim, eps=spec.norm_eps)) if spec.qk_norm else nn.Identity
        self.q_norm, self.k_norm = norm(), norm()

    def attend(self, x: Tensor, log_sizes: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        """Returns the branch, and the keys [B, heads, N, qk_dim] that merging compares; log_sizes [B, N] is added to the scores of every key."""
        q, k, v = self.project(x)
        keys = self.k_norm(split_heads(k, self.heads))
        bias = None if log_sizes is None else log_sizes.to(keys.dtype)[:, None, None, :]
        mixed = softmax_attend(self.q_norm(split_heads(q, self.heads)), keys, split_heads(v, self.heads), bias)
        return self.proj(join_heads(mixed)), keys

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(x)[0]


def _relative_positions(side: int) -> Tensor:
    """The row of the bias table for each pair of positions in a window, [side^4]."""
    at = torch.arange(side, device="cpu")
    y, x = at.repeat_interleave(side), at.repeat(side)
    return ((y[:, None] - y + side - 1) * (2 * side - 1) + (x[:, None] - x + side - 1)).flatten()


def _edge_mask(grid: Grid, side: int, shift: int) -> Tensor:
    """In a shifted map, the last windows contain tokens from opposite edges, which must not attend to each other: 0 or -100, [windows, 1, n, n]."""
    def bands(length: int) -> Tensor:
        at = torch.arange(length, device="cpu")
        return (at >= length - side).long() + (at >= length - shift).long()

    region = (bands(grid[0])[:, None] * 3 + bands(grid[1])).reshape(1, -1, 1)
    windows = to_windows(region, grid, (side, side)).squeeze(2)
    return ((windows[:, None] != windows[:, :, None]).float() * -100).unsqueeze(1)


class Window(Projections):
    """Softmax within (shifted) windows, with a learned bias for every relative position and head (Swin)."""

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, separate_q: bool):
        super().__init__(spec, block, grid, separate_q)
        self.side, self.shift = block.window, block.shift
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * self.side - 1) ** 2, self.heads))
        self.register_buffer("relative_position_index", _relative_positions(self.side), persistent=False)
        mask = _edge_mask(grid, self.side, self.shift) if self.shift > 0 else None
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        n, window = self.side * self.side, (self.side, self.side)
        count = self.grid[0] * self.grid[1] // n
        q, k, v = (split_heads(to_windows(roll_map(t, self.grid, -self.shift), self.grid, window), self.heads).unflatten(0, (-1, count)) for t in self.project(x))
        bias = self.relative_position_bias_table[self.relative_position_index].reshape(n, n, self.heads).permute(2, 0, 1).unsqueeze(0)
        if self.attn_mask is not None:
            bias = bias + self.attn_mask
        mixed = join_heads(softmax_attend(q, k, v, bias.to(q.dtype))).flatten(0, 1)
        return self.proj(roll_map(from_windows(mixed, self.grid, window), self.grid, self.shift))


class Focusing:
    """The parts of focused linear attention (FLatten) other than the projections, for modules to inherit: phi(q) (phi(k)^T v), where phi sharpens
    directions without changing lengths, and a depthwise filter of v."""

    def add_focusing(self, spec: ModelSpec, block: BlockSpec, heads: int, keys: int) -> None:
        """Call it after nn.Module.__init__(); `keys` is the number of tokens that keys come from."""
        qk = heads * block.qk_dim
        self.focused_heads, self.power, self.per_head_filters = heads, spec.focusing_factor, block.per_head_filters
        self.scale = nn.Parameter(torch.zeros(1, 1, qk))
        self.positional_encoding = nn.Parameter(torch.zeros(1, keys, qk))
        filters = heads * block.v_dim if block.per_head_filters else block.v_dim
        self.dwc = nn.Conv2d(filters, filters, spec.filter_size, padding=spec.filter_size // 2, groups=filters)

    def _phi(self, t: Tensor, scale: Tensor) -> Tensor:
        # Norms and powers are float32, because third powers exceed the range of half precision. The norms run over all heads. Only the direction of
        # the powers matters, so f is divided by its largest entry first; powers of f itself would underflow in float32.
        f = (torch.relu(t.float()) + 1e-6) / scale
        power = (f / f.detach().amax(dim=-1, keepdim=True)).pow(self.power)
        return split_heads(power / power.norm(dim=-1, keepdim=True) * f.norm(dim=-1, keepdim=True), self.focused_heads)

    def focus(self, q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
        """q [R, n, heads * qk], k and v [R, m, ..] -> [R, n, heads * v]; `grid` is the map of the n queries."""
        scale = F.softplus(self.scale.float())
        query, key = self._phi(q, scale).to(v.dtype), self._phi(k + self.positional_encoding.to(k.dtype), scale).to(v.dtype)
        root = 1 / math.sqrt(k.shape[1])
        total = query @ key.mean(-2, keepdim=True).transpose(-2, -1) + 1e-6
        summary = (key.transpose(-2, -1) * root) @ (split_heads(v, self.focused_heads) * root)
        return join_heads(query @ summary / total) + self._filtered(v, grid)

    def _filtered(self, v: Tensor, grid: Grid) -> Tensor:
        planes = v.transpose(1, 2)
        n = grid[0] * grid[1]
        if v.shape[1] != n:  # a smaller map: interpolated over the flattened tokens, as the reference does
            planes = F.interpolate(planes, size=n, mode="linear")
        channels = planes.shape[1]
        if not self.per_head_filters:  # one filter per channel, for all heads
            planes = planes.reshape(-1, channels // self.focused_heads, n)
        out = self.dwc(planes.unflatten(2, grid))
        return out.reshape(-1, channels, n).transpose(1, 2)


class FocusedLinear(Projections, Focusing):
    """Focused linear attention over the whole map (PVT: with a smaller map of keys and values) or within windows. Shifted windows are not masked
    at the edges, as in the reference."""

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, separate_q: bool):
        super().__init__(spec, block, grid, separate_q)
        self.region = (block.window, block.window) if block.window else grid
        self.shift = block.shift if block.window else 0
        self.add_focusing(spec, block, block.num_heads, self.region[0] * self.region[1] // block.sr_ratio**2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x)
        if self.sr_ratio == 1:  # otherwise there are no windows, and keys come from another map
            q, k, v = (to_windows(roll_map(t, self.grid, -self.shift), self.grid, self.region) for t in (q, k, v))
        mixed = self.focus(q, k, v, self.region)
        return self.proj(roll_map(from_windows(mixed, self.grid, self.region), self.grid, self.shift))


class Fixed:
    """The parts of static attention, for modules to inherit: a depthwise filter of v over the map, and shares [channel, to, from] of the map's
    mean and of prefix tokens (from) for patches and prefix tokens (to)."""

    def add_fixed(self, spec: ModelSpec, block: BlockSpec, grid: Grid) -> None:
        """Call it after nn.Module.__init__()."""
        width, kinds = block.num_heads * block.v_dim, 1 + spec.prefix_tokens
        self.fixed_grid, self.fixed_prefix = grid, spec.prefix_tokens
        self.v = nn.Linear(block.embed_dim, width, bias=spec.qkv_bias)
        self.filter = nn.Conv2d(width, width, block.filter, padding=block.filter // 2, groups=width, bias=False)
        self.shares = nn.Parameter(torch.zeros(width, kinds, kinds))
        self.proj = nn.Linear(width, block.embed_dim)

    def attend_fixed(self, x: Tensor) -> Tensor:
        """Returns the branch."""
        prefix, patches = self.v(x).tensor_split([self.fixed_prefix], dim=1)
        filtered = self.filter(planes_of(patches, self.fixed_grid)).flatten(2).transpose(1, 2)
        sources = torch.cat([patches.mean(1, keepdim=True), prefix], 1)
        taken = torch.einsum("bfw,wtf->btw", sources, self.shares.to(sources.dtype))
        return self.proj(torch.cat([taken[:, 1:], filtered + taken[:, :1]], 1))


class Static(nn.Module, Fixed):
    """Static attention: the same weights for every image."""

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, separate_q: bool):
        super().__init__()
        self.add_fixed(spec, block, grid)

    def attend(self, x: Tensor, log_sizes: Optional[Tensor] = None) -> Tuple[Tensor, None]:
        """Returns the branch. There are no keys, and no earlier block may merge tokens."""
        return self.attend_fixed(x), None

    def forward(self, x: Tensor) -> Tensor:
        return self.attend_fixed(x)


KINDS = {"softmax": Softmax, "window": Window, "focused_linear": FocusedLinear, "static": Static}
