#pragma once
// Token merging (ToMe, Bolya et al. 2023, arXiv 2210.09461): between a block's attention and its MLP the most
// alike tokens become one.

#include <ATen/core/Tensor.h>

#include "vitrim/core/model_spec.h"

namespace vitrim::model {

/// What the tokens of a stream stand for. Undefined tensors: nothing was merged yet.
struct MergedTokens {
  at::Tensor sizes;  ///< [B, N] float32: how many of the model's first tokens each token stands for
  at::Tensor place;  ///< [B, num_tokens] int64: where each of the model's first tokens went

  bool any() const { return sizes.defined(); }
};

/// Merges `count` pairs of tokens by bipartite soft matching: tokens alternate between two halves, each of
/// the first looks for the most alike of the second by the cosine of `metric`, the `count` best matches are
/// averaged, weighted by their sizes. The first `prefix` tokens stay as they are, where they are; after them
/// come the first half's tokens that were left, then the second half's. y float32 [B, N, C], metric [B, N, d]
/// -> [B, N - count, C]; `merged` is brought up to date. `count` is at most (N - prefix) / 2, else
/// std::invalid_argument. Gradients flow through the averages, not through the matching. Cost: B N^2 d / 4
/// multiply-adds.
at::Tensor merge_tokens(const at::Tensor& y, const at::Tensor& metric, int64_t prefix, int64_t count,
                        MergedTokens& merged);

/// The stream with every token back where it began, merged ones repeated: [B, N, C] -> [B, num_tokens, C]; x
/// itself where nothing was merged.
at::Tensor spread_tokens(const at::Tensor& x, const MergedTokens& merged);

/// Mean over all tokens but the prefix, each as often as it counts: [B, N, C] -> [B, C].
at::Tensor mean_of_tokens(const at::Tensor& x, int64_t prefix, const MergedTokens& merged);

}  // namespace vitrim::model
