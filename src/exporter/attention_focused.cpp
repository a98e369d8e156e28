// FLatten: focused linear attention over the whole map (PVT: with a smaller map of keys and values) or within
// windows. It is computed in float32, because third powers and quotients of small sums exceed the range of
// float16; only the depthwise filter uses the compute type.

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "exporter/attention.h"
#include "exporter/regions.h"

namespace vitrim::exporter {

namespace {

// phi, which sharpens a direction without changing its length; x [R, n, heads * width] float32.
Value phi(LayerBuilder& layers, const std::string& name, const Value& x, const Value& scale) {
  const Graph::Scope scope(layers.graph(), name);
  const Value f = layers.binary("Div", "scaled",
                                layers.shifted("positive", layers.unary("Relu", "relu", x), 1e-6), scale);
  // Only the direction of the powers matters; powers of f itself would underflow in float32.
  const Value share = layers.binary("Div", "share", f, layers.reduce("ReduceMax", "largest", f, -1, true));
  const Value power =
      layers.binary("Pow", "power", share,
                    layers.graph().scalar(static_cast<double>(layers.spec().focusing_factor), Type::kFloat));
  const Value direction =
      layers.binary("Div", "direction", power, layers.reduce("ReduceL2", "power_norm", power, -1, true));
  return layers.binary("Mul", "focused", direction, layers.reduce("ReduceL2", "norm", f, -1, true));
}

// The m values of a smaller map, interpolated to n along the flattened tokens, linearly between the centres
// of equal cells. x [R, m, C].
Value stretch(LayerBuilder& layers, const Value& x, int64_t m, int64_t n) {
  std::vector<int64_t> below, above;
  at::Tensor weight = at::empty({1, n, 1});
  for (int64_t i = 0; i < n; ++i) {
    const double place =
        std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(m) / static_cast<double>(n) - 0.5);
    below.push_back(std::min(static_cast<int64_t>(place), m - 1));
    above.push_back(std::min(below.back() + 1, m - 1));
    weight[0][i][0] = place - static_cast<double>(below.back());
  }
  Graph& graph = layers.graph();
  const std::string size = ":" + std::to_string(m) + "to" + std::to_string(n);
  const auto take = [&](const std::string& name, const std::vector<int64_t>& rows, const at::Tensor& share) {
    const Value places =
        graph.shared_tensor("stretch_" + name + size, at::tensor(rows, at::kLong), Type::kInt64);
    const Value value = graph.node("Gather", name, {x, places}, x.type, {{"axis", int64_t{1}}});
    return layers.binary("Mul", name + "_share", value,
                         graph.shared_tensor("stretch_" + name + "_share" + size, share, Type::kFloat));
  };
  return layers.binary("Add", "stretched", take("below", below, 1 - weight), take("above", above, weight));
}

// Applies the depthwise filters to v as a map: [R, m, heads * width] -> [R, n, heads * width], float32.
Value filtered(LayerBuilder& layers, const AttentionSite& site, const FocusedHeads& inputs) {
  const Graph::Scope scope(layers.graph(), "filter");
  const int64_t width = site.block.v_dim, channels = inputs.heads * width, n = inputs.map.size();
  const Value v = inputs.keys == n ? inputs.v : stretch(layers, layers.to_float(inputs.v), inputs.keys, n);
  const Value first = layers.transpose("channels_first", v, {0, 2, 1});
  const bool own = site.block.per_head_filters;  // else one filter per channel serves all heads
  const Value planes = layers.reshape(
      "planes", first, {own ? 0 : -1, own ? channels : width, inputs.map.height, inputs.map.width});
  const Value out = layers.convolution(planes, inputs.names + "dwc",
                                       {1, layers.spec().filter_size / 2, own ? channels : width});
  return layers.to_float(
      layers.transpose("tokens", layers.reshape("flat", out, {-1, channels, n}), {0, 2, 1}));
}

}  // namespace

Value focused_attend(LayerBuilder& layers, const AttentionSite& site, const FocusedHeads& inputs) {
  Graph& graph = layers.graph();
  const int64_t heads = inputs.heads, qk = site.block.qk_dim, v_dim = site.block.v_dim;
  const Value scale = graph.tensor(inputs.names + "scale.softplus",
                                   at::softplus(layers.take(inputs.names + "scale")), Type::kFloat);
  const Value k_at = layers.binary("Add", "k_positions", layers.to_float(inputs.k),
                                   layers.stored(inputs.names + "positional_encoding"));
  const auto by_head = [&](const std::string& name, const Value& t, int64_t width,
                           const std::vector<int64_t>& order) {
    return layers.transpose(name + "_heads", unfold_heads(layers, name + "_by_head", t, heads, width), order);
  };
  const Value q = by_head("q", phi(layers, "focus_q", layers.to_float(inputs.q), scale), qk, {0, 2, 1, 3});
  const Value k = by_head("k", phi(layers, "focus_k", k_at, scale), qk, {0, 2, 3, 1});  // [R, heads, qk, m]
  const Value v = by_head("v", layers.to_float(inputs.v), v_dim, {0, 2, 1, 3});
  const double root = 1 / std::sqrt(static_cast<double>(inputs.keys));
  const Value total = layers.shifted(
      "total", layers.binary("MatMul", "q_mean_k", q, layers.reduce("ReduceMean", "mean_k", k, -1, true)),
      1e-6);
  const Value summary = layers.binary("MatMul", "summary", layers.scaled("k_share", k, root),
                                      layers.scaled("v_share", v, root));
  const Value mixed = layers.binary("Div", "mixed", layers.binary("MatMul", "q_summary", q, summary), total);
  return layers.binary("Add", "filtered", join_heads(layers, mixed, heads, v_dim),
                       filtered(layers, site, inputs));
}

Value focused_linear_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x) {
  const BlockSpec& block = site.block;
  const Grid region = architecture::attention_branches(site).front().region;
  const Projected p = project(layers, site, x);
  const auto windows = [&](const std::string& name, const Value& t, int64_t width) {
    const Graph::Scope scope(layers.graph(), name);
    return block.window > 0 ? to_windows(layers, roll_map(layers, t, site.grid, -block.shift, width),
                                         site.grid, region, width)
                            : t;
  };
  FocusedHeads inputs;
  inputs.q = windows("q", p.q, site.qk_width());
  inputs.k = windows("k", p.k, site.qk_width());
  inputs.v = windows("v", p.v, site.v_width());
  inputs.names = site.names;
  inputs.heads = block.num_heads;
  inputs.keys = block.window > 0 ? region.size() : architecture::num_keys(site);
  inputs.map = region;
  const Value mixed = focused_attend(layers, site, inputs);
  return roll_map(layers, from_windows(layers, mixed, site.grid, region, site.v_width()), site.grid,
                  block.shift, site.v_width());
}

}  // namespace vitrim::exporter
