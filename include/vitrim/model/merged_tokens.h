#pragma once
// Token merging (ToMe, Bolya et al. 2023, arXiv 2210.09461): the most similar tokens are merged between a
// block's attention and its MLP.

#include <ATen/core/Tensor.h>

#include "vitrim/core/model_spec.h"

namespace vitrim::model {

/// Which of the model's initial tokens each token of a stream represents. Undefined tensors: nothing was
/// merged yet.
struct MergedTokens {
  at::Tensor sizes;  ///< [B, N] float32: number of initial tokens that each token represents
  at::Tensor place;  ///< [B, num_tokens] int64: index of the token that represents each initial token

  bool any() const { return sizes.defined(); }
};

/// Merges `count` pairs of tokens by bipartite soft matching. Tokens are assigned alternately to two halves.
/// Each token of the first half is matched with its most similar token of the second half, by the cosine of
/// `metric`. The `count` best matches are merged into averages weighted by size. The first `prefix` tokens
/// are not touched; after them come the remaining tokens of the first half, then the second half. y float32
/// [B, N, C], metric [B, N, d] -> [B, N - count, C]; `merged` is updated. Throws std::invalid_argument if
/// `count` is above (N - prefix) / 2. Gradients flow through the averages, not through the matching. Cost: B
/// N^2 d / 4 multiply-adds.
at::Tensor merge_tokens(const at::Tensor& y, const at::Tensor& metric, int64_t prefix, int64_t count,
                        MergedTokens& merged);

/// Restores the initial number of tokens: every token is copied to all places that it represents, [B, N, C]
/// -> [B, num_tokens, C]. Returns x itself if nothing was merged.
at::Tensor spread_tokens(const at::Tensor& x, const MergedTokens& merged);

/// Mean over all tokens without the prefix, weighted by size: [B, N, C] -> [B, C].
at::Tensor mean_of_tokens(const at::Tensor& x, int64_t prefix, const MergedTokens& merged);

}  // namespace vitrim::model
