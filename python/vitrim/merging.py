"""Token merging as in docs/merging.md: the most similar tokens are merged between a block's attention and its MLP. Shapes depend only on the spec,
and sums are products with one-hot matrices, so the model can be exported and compiled."""

from typing import NamedTuple, Optional, Tuple

import torch
from torch import Tensor


# Cosines are rounded to multiples of this step before they are compared, so that tokens that differ only by rounding are equally similar for every
# program (include/vitrim/core/merging.h); among equally similar tokens the first one is chosen.
COSINE_STEP = 2.0**-20


class Merged(NamedTuple):
    """Which initial tokens each token of a stream represents; None: nothing was merged yet."""
    sizes: Optional[Tensor] = None  # [B, N]: how many of the first tokens each token stands for
    place: Optional[Tensor] = None  # [B, num_tokens]: where each of the first tokens went; only where it was asked for


def rows_of(t: Tensor, rows: Tensor) -> Tensor:
    """The rows [B, k] of t [B, N, C]."""
    return t.gather(1, rows.unsqueeze(-1).expand(-1, -1, t.shape[2]))


def _match(metric: Tensor, prefix: int, count: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Matches each token at an even position with its most similar token at an odd position. metric [B, N, d] -> remaining even tokens, ascending
    [B, a - count]; merged even tokens, the most similar first [B, count]; and the odd token that each of them is merged into [B, count]."""
    with torch.no_grad():
        metric = metric.float()
        direction = metric / metric.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        even, odd = direction[:, ::2], direction[:, 1::2]
        scores = (even @ odd.transpose(1, 2) / COSINE_STEP).round() * COSINE_STEP
        # Tokens before the patches are neither merged nor merged into.
        fixed = (torch.arange(even.shape[1], device=scores.device) < (prefix + 1) // 2).unsqueeze(1) | (torch.arange(odd.shape[1], device=scores.device) < prefix // 2)
        best, partner = scores.masked_fill(fixed, -torch.inf).max(dim=-1)
        order = best.argsort(dim=-1, descending=True, stable=True)
        gone = order[:, :count]
        return order[:, count:].sort(dim=-1).values, gone, partner.gather(1, gone)


def _arrange(kept: Tensor, odd: Tensor, prefix: int) -> Tensor:
    """Prefix tokens come first, in their order, then the rest of each half."""
    first = [(kept, odd)[i % 2][:, i // 2:i // 2 + 1] for i in range(prefix)]
    return torch.cat([*first, kept[:, (prefix + 1) // 2:], odd[:, prefix // 2:]], 1)


def _new_places(kept: Tensor, gone: Tensor, target: Tensor, n: int, prefix: int) -> Tensor:
    """The new index of each of n tokens: [B, n]."""
    odd = torch.arange(1, n, 2, device=kept.device).expand(kept.shape[0], n // 2)
    left = _arrange(2 * kept, odd, prefix)  # old number of every token that is left
    count = left.shape[1]
    # The remaining tokens followed by the merged ones are all tokens once, so the inverse permutation gives the position of each in that list.
    listed = torch.cat([left, 2 * gone], 1).argsort(dim=1)
    ends = torch.cat([torch.arange(count, device=kept.device).expand(kept.shape[0], count), listed.gather(1, 2 * target + 1)], 1)
    return ends.gather(1, listed)


def merge_tokens(y: Tensor, metric: Tensor, prefix: int, count: int, merged: Merged, places: bool = False) -> Tuple[Tensor, Merged]:
    """Merges the `count` most similar pairs into averages weighted by size: y [B, N, C], metric [B, N, d] -> [B, N - count, C]. Gradients flow
    through the averages, not through the matching."""
    n = y.shape[1]
    kept, gone, target = _match(metric, prefix, count)
    sizes = merged.sizes if merged.sizes is not None else torch.ones_like(y[:, :, 0])
    weighted = torch.cat([y * sizes.unsqueeze(-1), sizes.unsqueeze(-1).to(y.dtype)], 2)  # sums, and their divisors
    even, odd = weighted[:, ::2], weighted[:, 1::2]
    into = (torch.arange(n // 2, device=y.device).unsqueeze(1) == target.unsqueeze(1)).to(y.dtype)  # [B, odd, count]
    tokens = _arrange(rows_of(even, kept), odd + into @ rows_of(even, gone), prefix)
    place = None
    if places:
        place = _new_places(kept, gone, target, n, prefix)
        if merged.place is not None:
            place = place.gather(1, merged.place)
    sizes = tokens[:, :, -1].detach()
    return tokens[:, :, :-1] / sizes.unsqueeze(-1), Merged(sizes, place)


def spread_tokens(x: Tensor, merged: Merged) -> Tensor:
    """Restores the initial number of tokens by copying each token to all places that it represents: [B, N, C] -> [B, num_tokens, C]."""
    return x if merged.place is None else rows_of(x, merged.place)


def mean_of_tokens(x: Tensor, prefix: int, merged: Merged) -> Tensor:
    """Mean over all tokens without the prefix, weighted by size."""
    if merged.sizes is None:
        return x[:, prefix:].mean(1)
    weights = merged.sizes[:, prefix:].unsqueeze(-1).to(x.dtype)
    return (x[:, prefix:] * weights).sum(1) / weights.sum(1)
