#pragma once
// Attention of every kind, from the output of the norm to the input of the last projection. One file per
// kind, as in the model.

#include "exporter/layer_builder.h"
#include "exporter/merging.h"
#include "vitrim/architecture/attention.h"

namespace vitrim::exporter {

using architecture::AttentionSite;

/// q [B, N, qk_width], k [B, M, qk_width], v [B, M, v_width].
struct Projected {
  Value q, k, v;
};
Projected project(LayerBuilder& layers, const AttentionSite& site, const Value& x);

/// x [B, N, C] -> [B, N, v_width]. `merged` holds the sizes by which softmax attention weights keys;
/// `mean_keys`, if not null, receives the mean of the keys over heads.
Value attention(LayerBuilder& layers, const AttentionSite& site, const Value& x, const MergedStream& merged,
                Value* mean_keys);

// One per file.
Value softmax_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x,
                        const MergedStream& merged, Value* mean_keys);
Value window_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x);
Value focused_linear_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x);
Value cross_shaped_window_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x,
                                    bool linear);
Value static_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x);

/// Focused linear attention of q [R, n, heads * qk], k and v [R, m, ...] with parameters `names` + scale,
/// positional_encoding, dwc; the depthwise filter sees v as a map of `map`'s size.
struct FocusedHeads {
  Value q, k, v;
  std::string names;
  int64_t heads = 0, keys = 0;
  Grid map;
};
Value focused_attend(LayerBuilder& layers, const AttentionSite& site, const FocusedHeads& inputs);

}  // namespace vitrim::exporter
