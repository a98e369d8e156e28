// Swin: softmax within windows, which every second block shifts, with a bias for every relative position and
// head.

#include <ATen/ATen.h>

#include "exporter/attention.h"
#include "exporter/regions.h"

namespace vitrim::exporter {

namespace {

// The rows of a table arranged for each pair of positions: [1, heads, n, n].
at::Tensor position_bias(const at::Tensor& table, int64_t side) {
  const int64_t n = side * side;
  at::Tensor rows = at::empty({n * n}, at::kLong);
  int64_t* row = rows.mutable_data_ptr<int64_t>();
  for (int64_t query = 0; query < n; ++query) {
    for (int64_t key = 0; key < n; ++key) {
      const int64_t down = query / side - key / side + side - 1,
                    across = query % side - key % side + side - 1;
      *row++ = down * (2 * side - 1) + across;
    }
  }
  return table.index_select(0, rows).t().reshape({1, table.size(1), n, n});
}

// The band of a shifted map that a line belongs to: the lines before the last window, the last window's own
// lines, or its wrapped lines.
int64_t band(int64_t line, int64_t length, int64_t side, int64_t shift) {
  return (line >= length - side) + (line >= length - shift);
}

// [windows, 1, n, n]: -100 between tokens that came from opposite edges of the map.
at::Tensor edge_mask(Grid map, int64_t side, int64_t shift) {
  const int64_t n = side * side, across = map.width / side, windows = map.size() / n;
  at::Tensor bands = at::empty({windows, n}, at::kLong);
  int64_t* out = bands.mutable_data_ptr<int64_t>();
  for (int64_t w = 0; w < windows; ++w) {
    for (int64_t t = 0; t < n; ++t) {
      const int64_t row = w / across * side + t / side, column = w % across * side + t % side;
      *out++ = 3 * band(row, map.height, side, shift) + band(column, map.width, side, shift);
    }
  }
  return (bands.unsqueeze(1) != bands.unsqueeze(2)).to(at::kFloat).mul(-100).unsqueeze(1);
}

}  // namespace

Value window_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x) {
  const BlockSpec& block = site.block;
  const int64_t heads = block.num_heads, side = block.window;
  const Grid window{side, side};
  const Projected p = project(layers, site, x);
  const auto windows = [&](const std::string& name, const Value& t, int64_t width) {
    const Graph::Scope scope(layers.graph(), name);
    const Value rolled = roll_map(layers, t, site.grid, -block.shift, heads * width);
    return unfold_heads(layers, "by_head", to_windows(layers, rolled, site.grid, window, heads * width),
                        heads, width);
  };
  Heads inputs{windows("q", p.q, block.qk_dim), windows("k", p.k, block.qk_dim),
               windows("v", p.v, block.v_dim)};
  inputs.num_heads = heads;
  inputs.qk_dim = block.qk_dim;
  inputs.v_dim = block.v_dim;
  const std::string table = site.names + "relative_position_bias_table";
  inputs.bias.push_back(layers.graph().tensor(table, position_bias(layers.take(table), side), Type::kFloat));
  if (block.shift > 0) {
    const std::string name = "edges:" + std::to_string(site.grid.height) + "x" +
                             std::to_string(site.grid.width) + "/" + std::to_string(side) + "+" +
                             std::to_string(block.shift);
    inputs.region_bias =
        layers.graph().shared_tensor(name, edge_mask(site.grid, side, block.shift), Type::kFloat);
    inputs.regions = site.grid.size() / window.size();
    inputs.queries = inputs.keys = window.size();
  }
  const Value mixed = softmax_attend(layers, inputs);
  return roll_map(layers, from_windows(layers, mixed, site.grid, window, site.v_width()), site.grid,
                  block.shift, site.v_width());
}

}  // namespace vitrim::exporter
