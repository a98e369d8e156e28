"""The parts of all families: MLPs, blocks, and the model around them, with the attributes that timm's training script needs."""

import math
from typing import Optional, Set

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from .attention import KINDS, Grid, planes_of
from .quantized import put_int8_layers
from .spec import BlockSpec, ModelSpec


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): drops a branch for whole images during training."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0 or not self.training:
            return x
        keep = torch.empty((x.shape[0],) + (1,) * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(1 - self.rate)
        return x * keep / (1 - self.rate)


class LayerScale(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Depthwise(nn.Module):
    def __init__(self, width: int, grid: Grid):
        super().__init__()
        self.grid = grid
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.dwconv(planes_of(x, self.grid)).flatten(2).transpose(1, 2)


class QuickGelu(nn.Module):
    """x sigmoid(1.702 x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU("tanh"), "quick_gelu": QuickGelu, "relu": nn.ReLU, "silu": nn.SiLU}


class Mlp(nn.Module):
    """fc2(act(fc1 x)). `convolved`: with a depthwise convolution over the map between the two (PVTv2). `gated`: fc1 has two halves [g, u] and fc2
    reads act(g) u."""

    def __init__(self, dim: int, hidden: int, convolved: Optional[Grid] = None, activation: str = "gelu", gated: bool = False):
        super().__init__()
        self.fc1 = nn.Linear(dim, 2 * hidden if gated else hidden)
        self.dwconv = _Depthwise(hidden, convolved) if convolved else None
        self.act = ACTIVATIONS[activation]()
        self.gated = gated
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.fc1(x)
        if self.dwconv is not None:
            hidden = self.dwconv(hidden)
        if self.gated:
            gate, hidden = hidden.chunk(2, -1)
            return self.fc2(self.act(gate) * hidden)
        return self.fc2(self.act(hidden))


class Block(nn.Module):
    """y = stream_gain * x + A(LN1 x), z = y + M(LN2 y). A block whose attention was removed has neither `norm1` nor `attn`."""

    separate_q = False     # `q` and `kv` instead of `qkv`
    mlp_convolves = False  # the MLP reads its tokens as a map

    def __init__(self, spec: ModelSpec, block: BlockSpec, grid: Grid, drop_path: float = 0.0):
        super().__init__()
        dim = block.embed_dim
        scale = (lambda: LayerScale(dim)) if spec.layer_scale else nn.Identity
        self.gain = block.stream_gain
        self.has_attention = block.attention != "none"
        if self.has_attention:
            self.norm1 = nn.LayerNorm(dim, eps=spec.norm_eps)
            self.add_attention(spec, block, grid)
            self.ls1 = scale()
            self.drop_path1 = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim, eps=spec.norm_eps)
        self.mlp = Mlp(dim, block.mlp_dim, grid if self.mlp_convolves else None, spec.activation, spec.gated_mlp)
        self.ls2 = scale()
        self.drop_path2 = DropPath(drop_path)
        put_int8_layers(self, block.int8, block.int4)

    def add_attention(self, spec: ModelSpec, block: BlockSpec, grid: Grid) -> None:
        self.attn = KINDS[block.attention](spec, block, grid, self.separate_q)

    def attend(self, x: Tensor) -> Tensor:
        return self.attn(x)

    def run_mlp(self, y: Tensor) -> Tensor:
        return y + self.drop_path2(self.ls2(self.mlp(self.norm2(y))))

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.gain == 1 else x * self.gain
        if self.has_attention:
            y = y + self.drop_path1(self.ls1(self.attend(self.norm1(x))))
        return self.run_mlp(y)


class Model(nn.Module):
    """A vision transformer built from its ModelSpec. Subclasses for families define how it begins (`stem`), runs its blocks and ends (`pool`)."""

    head_name = "head"            # name of the classifier in the checkpoint
    stem_name = "patch_embed.proj"
    no_decay = ()                 # suffixes of the names of parameters without weight decay

    def __init__(self, spec: ModelSpec):
        super().__init__()
        self.spec = spec
        self.num_classes = spec.num_classes
        self.num_features = self.head_hidden_size = spec.feature_dim
        self.embed_dim = spec.embed_dim
        self.grad_checkpointing = False
        self.pretrained_cfg = self.default_cfg = self._configuration()

    def _configuration(self) -> dict:
        """timm's description of the preprocessing; without mean and std if the checkpoint does not state them."""
        spec = self.spec
        config = {"architecture": spec.name or f"vitrim_{spec.family}", "num_classes": spec.num_classes, "input_size": (spec.in_channels, *spec.image_size), "fixed_input_size": True,
                  "pool_size": None, "first_conv": self.stem_name, "classifier": self.head_name}
        if spec.preprocess:
            p = spec.preprocess
            config.update(mean=tuple(p.mean), std=tuple(p.std), interpolation=p.interpolation, crop_mode="center",
                          crop_pct=p.crop / p.resize if p.resize else 1.0)
        return config

    def check_input(self, x: Tensor) -> None:
        wanted = (self.spec.in_channels, *self.spec.image_size)
        if x.dim() != 4 or tuple(x.shape[1:]) != wanted:
            raise ValueError(f"the model takes images of [B, {wanted[0]}, {wanted[1]}, {wanted[2]}], not {list(x.shape)}")

    def run(self, block: nn.Module, *inputs):
        """Runs one block; with set_grad_checkpointing(), its intermediate values are recomputed in the backward pass."""
        if self.grad_checkpointing and self.training and torch.is_grad_enabled():
            return torch.utils.checkpoint.checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)

    def forward_features(self, x: Tensor) -> Tensor:
        """Images, normalised -> tokens after the last norm, [B, num_tokens, C]."""
        raise NotImplementedError

    def pool(self, x: Tensor) -> Tensor:
        """Tokens -> the input of the classifier, [B, C]."""
        return x.mean(1)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.pool(x)
        return x if pre_logits else self.get_classifier()(x)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, in_channels, H, W], normalised -> logits [B, num_classes], or features if num_classes is 0."""
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        return self.get_submodule(self.head_name)

    def new_classifier(self, num_classes: int) -> nn.Module:
        reference = next(self.parameters(), torch.empty(0))
        head = nn.Linear(self.num_features, num_classes, device=reference.device, dtype=reference.dtype) if num_classes > 0 else nn.Identity()
        if num_classes > 0 and not head.weight.is_meta:
            nn.init.trunc_normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        return head

    def reset_classifier(self, num_classes: int, global_pool: Optional[str] = None) -> None:
        """Replaces the classifier by one for other classes with random weights; 0: none, so that the model returns features."""
        if global_pool is not None and global_pool != self.pooling_name():
            raise ValueError(f"this model pools by '{self.pooling_name()}'; global_pool '{global_pool}' would be another model")
        holder, _, name = self.head_name.rpartition(".")
        setattr(self.get_submodule(holder), name, self.new_classifier(num_classes))
        self.num_classes = self.spec.num_classes = num_classes
        self.pretrained_cfg = self.default_cfg = self._configuration()

    def pooling_name(self) -> str:
        return "avg"

    @torch.jit.ignore
    def no_weight_decay(self) -> Set[str]:
        return {name for name, _ in self.named_parameters() if name.endswith(self.no_decay)}

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict:
        """For timm's layer-wise learning rates."""
        raise NotImplementedError

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        self.grad_checkpointing = enable

    def init_weights(self) -> None:
        """Initialises random weights as the C++ library does: Xavier-uniform matrices, zero biases, unit norms; classifier, tokens and position
        tables truncated normal 0.02."""
        heads = {id(p) for p in self.get_classifier().parameters()}
        for name, p in self.named_parameters():
            if name.endswith((".bias", ".scale", ".positional_encoding")):
                nn.init.zeros_(p)
            elif name.endswith(".gamma"):
                nn.init.constant_(p, 1e-5)
            elif p.dim() == 1:
                nn.init.ones_(p)
            elif p.dim() == 2 and id(p) not in heads and name.endswith(".weight"):
                nn.init.xavier_uniform_(p)
            elif p.dim() == 4 and name != "patch_embed.proj.weight":
                limit = 1 / math.sqrt(p[0].numel())
                nn.init.uniform_(p, -limit, limit)
            else:
                nn.init.trunc_normal_(p, std=0.02, a=-0.04, b=0.04)


class StagedModel(Model):
    """A model whose map is halved between stages. Families name their parts; this class runs them."""

    block_type = Block

    def make_stage(self, stage: int, rates) -> nn.ModuleList:
        spec = self.spec
        return nn.ModuleList(self.block_type(spec, spec.blocks[i], spec.stage_grid(stage), rates[i]) for i in spec.stage_blocks(stage))

    def enter(self, stage: int, x: Tensor) -> Tensor:
        """Images, or the end of stage `stage` - 1 -> the stream before the first block of `stage`."""
        raise NotImplementedError

    def stage_blocks(self, stage: int) -> nn.ModuleList:
        raise NotImplementedError

    def last_norm(self, x: Tensor) -> Tensor:
        return self.norm(x)

    def forward_features(self, x: Tensor) -> Tensor:
        self.check_input(x)
        for stage in range(self.spec.num_stages):
            x = self.enter(stage, x)
            for block in self.stage_blocks(stage):
                x = self.run(block, x)
        return self.last_norm(x)


def drop_rates(spec: ModelSpec, highest: float):
    """The rates of stochastic depth, from 0 at the first block to `highest` at the last."""
    last = max(1, len(spec.blocks) - 1)
    return [highest * i / last for i in range(len(spec.blocks))]
