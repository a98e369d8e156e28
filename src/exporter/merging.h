#pragma once
// Token merging (ToMe) in a graph: what model/merged_tokens.h computes, with gathers and a one-hot product
// instead of a scatter.

#include "exporter/layer_builder.h"

namespace vitrim::exporter {

/// What the tokens of a stream stand for.
struct MergedStream {
  int64_t tokens = 0;  ///< in the stream
  Value sizes;         ///< float32 [B, N, 1]; undefined: nothing was merged yet
};

/// Merges `count` pairs of y [B, N, C] by the cosine of `metric` [B, N, d]; brings `merged` up to date.
Value merge_tokens(LayerBuilder& layers, const Value& y, const Value& metric, int64_t count,
                   MergedStream& merged);
/// Mean over all tokens but the prefix, each as often as it counts: [B, C].
Value mean_of_tokens(LayerBuilder& layers, const Value& x, const MergedStream& merged);

}  // namespace vitrim::exporter
