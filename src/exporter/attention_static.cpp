// Static attention: fixed depthwise filters over the map of values, and fixed shares of their mean and of the
// prefix tokens.

#include <ATen/ATen.h>

#include "exporter/attention.h"

namespace vitrim::exporter {

Value static_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x) {
  const int64_t prefix = site.tokens() - site.grid.size(), width = site.v_width(), groups = 1 + prefix,
                side = site.block.filter;
  const Value v = layers.linear(x, site.names + "v");
  const Value map = prefix > 0 ? layers.slice("map", v, 1, prefix, site.tokens()) : v;
  const Value filtered = layers.from_planes(layers.convolution(layers.to_planes(map, site.grid, width),
                                                               site.names + "filter", {1, side / 2, width}),
                                            site.grid, width);
  std::vector<Value> parts = {
      layers.to_compute(layers.reduce("ReduceMean", "mean", layers.to_float(map), 1, true))};
  if (prefix > 0) parts.push_back(layers.slice("prefix", v, 1, 0, prefix));
  // Each kind of token takes its shares of the sources, channel by channel: [B, W, 1, from] [W, from, to].
  const Value sources = layers.reshape(
      "by_channel", layers.transpose("sources_last", layers.concat("sources", parts, 1), {0, 2, 1}),
      {0, width, 1, groups});
  const std::string name = site.names + "shares";
  const Value shares = layers.graph().tensor(name, layers.take(name).transpose(1, 2), layers.compute_type());
  const Value taken = layers.transpose(
      "taken",
      layers.reshape("taken_flat", layers.binary("MatMul", "taken_by_channel", sources, shares),
                     {0, width, groups}),
      {0, 2, 1});  // [B, to, W]
  const Value of_patches = prefix > 0 ? layers.slice("of_patches", taken, 1, 0, 1) : taken;
  Value patches = layers.binary("Add", "patches", filtered, of_patches);
  if (prefix == 0) return patches;
  return layers.concat("mixed", {layers.slice("of_prefix", taken, 1, 1, groups), patches}, 1);
}

}  // namespace vitrim::exporter
