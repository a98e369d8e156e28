#pragma once
// Maps cut into windows or stripes, heads, and softmax inside them.

#include "exporter/layer_builder.h"

namespace vitrim::exporter {

/// [B, H W, C] -> [B * windows, h w, C], windows row by row; and back.
Value to_windows(LayerBuilder& layers, const Value& x, Grid map, Grid window, int64_t channels);
Value from_windows(LayerBuilder& layers, const Value& x, Grid map, Grid window, int64_t channels);
/// The map rolled by `shift` (positive or negative) in both directions; x [B, H W, C].
Value roll_map(LayerBuilder& layers, const Value& x, Grid map, int64_t shift, int64_t channels);

/// [R, n, heads * width] -> [R, n, heads, width].
Value unfold_heads(LayerBuilder& layers, const std::string& label, const Value& x, int64_t heads,
                   int64_t width);
/// [R, heads, n, width] -> [R, n, heads * width].
Value join_heads(LayerBuilder& layers, const Value& x, int64_t heads, int64_t width);

/// The inputs of one softmax(q k^T / sqrt(width) + bias) v.
struct Heads {
  Value q, k, v;  ///< [R, n, heads, qk], [R, m, heads, qk], [R, m, heads, v]
  int64_t num_heads = 0, qk_dim = 0, v_dim = 0;
  std::vector<Value> bias = {};  ///< float32, added to the scores [R, heads, n, m] one after the other
  /// Added after `bias`, per image: [windows, 1, n, m]; for this the regions are reshaped to [B, windows,
  /// ...].
  Value region_bias = {};
  int64_t regions = 1;  ///< regions per image, if there is a region_bias
  int64_t queries = 0, keys = 0;
};
/// -> [R, n, heads * v_dim] in the compute type; softmax in float32.
Value softmax_attend(LayerBuilder& layers, const Heads& heads);

}  // namespace vitrim::exporter
