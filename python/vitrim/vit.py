"""timm's VisionTransformer and DeiT's distilled variant: any mix of class, distillation and register tokens, and of norms; tokens may merge."""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from .blocks import Block, Model, drop_rates
from .merging import Merged, mean_of_tokens, merge_tokens, spread_tokens
from .spec import BlockSpec, ModelSpec


class VitBlock(Block):
    def __init__(self, spec: ModelSpec, block: BlockSpec, grid, drop_path: float = 0.0):
        super().__init__(spec, block, grid, drop_path)
        self.prefix, self.merge = spec.prefix_tokens, block.merge

    def forward(self, x: Tensor, sizes: Optional[Tensor] = None, place: Optional[Tensor] = None, places: bool = False) -> Tuple[Tensor, Optional[Tensor], Optional[Tensor]]:
        y = x if self.gain == 1 else x * self.gain
        if self.has_attention:
            branch, keys = self.attn.attend(self.norm1(x), None if sizes is None else sizes.log())
            y = y + self.drop_path1(self.ls1(branch))
            if self.merge > 0:
                y, (sizes, place) = merge_tokens(y, keys.float().mean(1), self.prefix, self.merge, Merged(sizes, place), places)
        return self.run_mlp(y), sizes, place


class PatchEmbed(nn.Module):
    def __init__(self, spec: ModelSpec):
        super().__init__()
        # With a norm directly after it, its bias has no effect; timm omits it.
        self.proj = nn.Conv2d(spec.in_channels, spec.embed_dim, spec.patch_size, spec.patch_size, bias=not spec.pre_norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(Model):
    no_decay = ("cls_token", "dist_token", "reg_token", "pos_embed")

    def __init__(self, spec: ModelSpec, drop_path_rate: float = 0.0):
        super().__init__(spec)
        dim, (height, width) = spec.embed_dim, spec.stage_grid(0)
        self.num_prefix_tokens = spec.prefix_tokens

        def token(count: int) -> Optional[nn.Parameter]:
            return nn.Parameter(torch.zeros(1, count, dim)) if count else None

        def norm(wanted: bool) -> nn.Module:
            return nn.LayerNorm(dim, eps=spec.norm_eps) if wanted else nn.Identity()

        self.cls_token, self.dist_token, self.reg_token = token(spec.class_token), token(spec.distillation_token), token(spec.register_tokens)
        self.pos_embed = token(height * width + (spec.prefix_tokens if spec.embed_prefix_tokens else 0))
        self.patch_embed = PatchEmbed(spec)
        self.norm_pre = norm(spec.pre_norm)
        rates = drop_rates(spec, drop_path_rate)
        self.blocks = nn.ModuleList(VitBlock(spec, block, (height, width), rate) for block, rate in zip(spec.blocks, rates))
        self.norm, self.fc_norm = norm(spec.final_norm), norm(spec.fc_norm)
        self.head = self.new_classifier(spec.num_classes)
        self.head_dist = self.new_classifier(spec.num_classes) if spec.distillation_token else None
        self.distilled_training = False

    def embed(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        if not self.spec.embed_prefix_tokens:
            x = x + self.pos_embed
        tokens = [token.expand(x.shape[0], -1, -1) for token in (self.cls_token, self.dist_token, self.reg_token) if token is not None]
        x = torch.cat([*tokens, x], 1) if tokens else x
        if self.spec.embed_prefix_tokens:
            x = x + self.pos_embed
        return self.norm_pre(x)

    def _tokens(self, x: Tensor, places: bool) -> Tuple[Tensor, Merged]:
        self.check_input(x)
        x, sizes, place = self.embed(x), None, None
        for block in self.blocks:
            x, sizes, place = self.run(block, x, sizes, place, places)
        return self.norm(x), Merged(sizes, place)

    def forward_features(self, x: Tensor) -> Tensor:
        """Images, normalised -> tokens after the last norm, [B, num_tokens, C]; merged tokens are copied to the places that they represent."""
        return spread_tokens(*self._tokens(x, places=True))

    def pool(self, x: Tensor, merged: Merged = Merged()) -> Tensor:
        if self.spec.pooling == "token":
            return self.fc_norm(x[:, 0])
        mean = mean_of_tokens(x, self.num_prefix_tokens, merged)
        return torch.cat([x[:, 0], mean], -1) if self.spec.pooling == "token_and_average" else self.fc_norm(mean)

    def forward_head(self, x: Tensor, pre_logits: bool = False, merged: Merged = Merged()) -> Tensor:
        features = self.pool(x, merged)
        if pre_logits or self.num_classes == 0:
            return features
        logits = self.head(features)
        if self.head_dist is None:
            return logits
        second = self.head_dist(x[:, 1])
        if self.distilled_training and self.training and not torch.jit.is_scripting():
            return logits, second
        return (logits + second) / 2

    def forward(self, x: Tensor) -> Tensor:
        tokens, merged = self._tokens(x, places=False)
        return self.forward_head(tokens, merged=merged)

    def get_classifier(self) -> nn.Module:
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: Optional[str] = None) -> None:
        super().reset_classifier(num_classes, global_pool)
        if self.head_dist is not None:
            self.head_dist = self.new_classifier(num_classes)

    def pooling_name(self) -> str:
        return {"token": "token", "average": "avg", "token_and_average": "tokenavg"}[self.spec.pooling]

    @torch.jit.ignore
    def set_distilled_training(self, enable: bool = True) -> None:
        """In training mode, the logits of both heads as a pair (DeiT's distillation)."""
        self.distilled_training = enable

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict:
        return {"stem": r"^cls_token|dist_token|reg_token|pos_embed|patch_embed|norm_pre", "blocks": [(r"^blocks\.(\d+)", None), (r"^norm", (99999,))]}
