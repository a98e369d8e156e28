#pragma once
// Attention of every kind, from the norm's output to what the last projection reads. One file a kind, as in
// the model.

#include "export/layers.h"
#include "export/merging.h"

namespace vitrim::exporter {

/// Where an attention layer stands.
struct Site {
  const BlockSpec& block;
  Grid grid;          ///< the map of patch tokens
  int64_t tokens;     ///< in the stream
  std::string names;  ///< what its parameters begin with: "blocks.0.attn."
  int64_t qk_width() const { return block.num_heads * block.qk_dim; }
  int64_t v_width() const { return block.num_heads * block.v_dim; }
  Grid key_grid() const { return {grid.height / block.sr_ratio, grid.width / block.sr_ratio}; }
  int64_t keys() const { return block.sr_ratio == 1 ? tokens : key_grid().size(); }
};

/// q [B, N, qk_width], k [B, M, qk_width], v [B, M, v_width].
struct Projected {
  Value q, k, v;
};
Projected project(Layers& layers, const Site& site, const Value& x);

/// x [B, N, C] -> [B, N, v_width]. `merged` holds the sizes that softmax attention weighs keys by;
/// `mean_keys`, where not null, takes the mean over heads of the keys.
Value attention(Layers& layers, const Site& site, const Value& x, const MergedStream& merged,
                Value* mean_keys);

// One a file.
Value softmax_attention(Layers& layers, const Site& site, const Value& x, const MergedStream& merged,
                        Value* mean_keys);
Value window_attention(Layers& layers, const Site& site, const Value& x);
Value focused_linear_attention(Layers& layers, const Site& site, const Value& x);
Value cross_window_attention(Layers& layers, const Site& site, const Value& x, bool linear);
Value static_attention(Layers& layers, const Site& site, const Value& x);

/// Focused linear attention of q [R, n, heads * qk], k and v [R, m, ...] with parameters `names` + scale,
/// positional_encoding, dwc; the depthwise filter sees v as a map of `map`'s size.
struct FocusedMix {
  Value q, k, v;
  std::string names;
  int64_t heads = 0, keys = 0;
  Grid map;
};
Value focused_mix(Layers& layers, const Site& site, const FocusedMix& mix);

}  // namespace vitrim::exporter
