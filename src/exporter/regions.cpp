#include "exporter/regions.h"

#include <cmath>

namespace vitrim::exporter {

Value to_windows(LayerBuilder& layers, const Value& x, Grid map, Grid window, int64_t channels) {
  if (window == map) return x;
  const int64_t down = map.height / window.height, across = map.width / window.width;
  const Value cut = layers.reshape("cut", x, {0, down, window.height, across, window.width, channels});
  return layers.reshape("windows", layers.transpose("by_window", cut, {0, 1, 3, 2, 4, 5}),
                        {-1, window.size(), channels});
}

Value from_windows(LayerBuilder& layers, const Value& x, Grid map, Grid window, int64_t channels) {
  if (window == map) return x;
  const int64_t down = map.height / window.height, across = map.width / window.width;
  const Value cut = layers.reshape("uncut", x, {-1, down, across, window.height, window.width, channels});
  return layers.reshape("map", layers.transpose("by_row", cut, {0, 1, 3, 2, 4, 5}),
                        {0, map.size(), channels});
}

Value roll_map(LayerBuilder& layers, const Value& x, Grid map, int64_t shift, int64_t channels) {
  if (shift == 0) return x;
  Value rolled = layers.reshape("square", x, {0, map.height, map.width, channels});
  for (int64_t axis : {1, 2}) {
    const int64_t length = axis == 1 ? map.height : map.width;
    const int64_t first = ((-shift) % length + length) % length;  // the index that moves to the beginning
    rolled = layers.concat(
        "rolled",
        {layers.slice("tail", rolled, axis, first, length), layers.slice("head", rolled, axis, 0, first)},
        axis);
  }
  return layers.reshape("tokens", rolled, {0, map.size(), channels});
}

Value unfold_heads(LayerBuilder& layers, const std::string& label, const Value& x, int64_t heads,
                   int64_t width) {
  return layers.reshape(label, x, {0, 0, heads, width});
}

Value join_heads(LayerBuilder& layers, const Value& x, int64_t heads, int64_t width) {
  return layers.reshape("joined", layers.transpose("by_token", x, {0, 2, 1, 3}), {0, 0, heads * width});
}

Value softmax_attend(LayerBuilder& layers, const Heads& heads) {
  const double scale = 1 / std::sqrt(static_cast<double>(heads.qk_dim));
  const Value q = layers.scaled("q_scaled", layers.transpose("q_heads", heads.q, {0, 2, 1, 3}), scale);
  const Value k = layers.transpose("k_heads", heads.k, {0, 2, 3, 1}),
              v = layers.transpose("v_heads", heads.v, {0, 2, 1, 3});
  Value scores = layers.to_float(layers.binary("MatMul", "scores", q, k));
  for (const Value& bias : heads.bias) scores = layers.binary("Add", "biased", scores, bias);
  if (heads.region_bias.defined()) {
    const Value by_image =
        layers.reshape("by_image", scores, {-1, heads.regions, heads.num_heads, heads.queries, heads.keys});
    scores = layers.reshape("by_region", layers.binary("Add", "masked", by_image, heads.region_bias),
                            {-1, heads.num_heads, heads.queries, heads.keys});
  }
  const Value weights =
      layers.graph().node("Softmax", "softmax", {scores}, Type::kFloat, {{"axis", int64_t{-1}}});
  return join_heads(layers, layers.binary("MatMul", "mixed", layers.to_compute(weights), v), heads.num_heads,
                    heads.v_dim);
}

}  // namespace vitrim::exporter
