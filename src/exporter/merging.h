#pragma once
// Token merging (ToMe) in a graph: computes the same as model/merged_tokens.h, with gathers and a one-hot
// product instead of a scatter.

#include "exporter/layer_builder.h"

namespace vitrim::exporter {

/// The number of initial tokens that each token of a stream represents.
struct MergedStream {
  int64_t tokens = 0;  ///< number of tokens in the stream
  Value sizes;         ///< float32 [B, N, 1]; undefined: nothing was merged yet
};

/// Merges `count` pairs of tokens of y [B, N, C] by the cosine of `metric` [B, N, d]; updates `merged`.
Value merge_tokens(LayerBuilder& layers, const Value& y, const Value& metric, int64_t count,
                   MergedStream& merged);
/// Mean over all tokens without the prefix, weighted by size: [B, C].
Value mean_of_tokens(LayerBuilder& layers, const Value& x, const MergedStream& merged);

}  // namespace vitrim::exporter
