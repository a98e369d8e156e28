// CSwin: attention inside stripes, half of the heads in stripes that go down the map, half in stripes across;
// without stripes all heads see the whole map. Inside a stripe softmax, or focused linear attention
// (FLatten-CSwin). A depthwise filter of v tells positions.

#include "export/attention.h"
#include "export/regions.h"

namespace vitrim::exporter {

namespace {

constexpr int64_t kPositionFilter = 3;

struct Branch {
  std::string name;
  int64_t heads;
  Grid stripe;
};

std::vector<Branch> branches(const Site& site) {
  const int64_t heads = site.block.num_heads, width = site.block.window;
  if (width == 0) return {{"attns.0", heads, site.grid}};
  return {{"attns.0", heads / 2, {site.grid.height, width}},
          {"attns.1", heads / 2, {width, site.grid.width}}};
}

}  // namespace

Value cross_window_attention(Layers& layers, const Site& site, const Value& x, bool linear) {
  const BlockSpec& block = site.block;
  const std::vector<Branch> all = branches(site);
  const Projected p = project(layers, site, x);
  const auto shares = [&](const std::string& name, const Value& t, int64_t width) {
    if (all.size() == 1) return std::vector<Value>{t};
    return layers.split({name + "_down", name + "_across"}, t, 2,
                        {all[0].heads * width, all[1].heads * width});
  };
  const std::vector<Value> q = shares("q", p.q, block.qk_dim), k = shares("k", p.k, block.qk_dim),
                           v = shares("v", p.v, block.v_dim);
  std::vector<Value> parts;
  for (size_t i = 0; i < all.size(); ++i) {
    const Branch& branch = all[i];
    const Graph::Scope scope(layers.graph(), branch.name);
    const std::string names = site.names + branch.name + ".";
    const int64_t channels = branch.heads * block.v_dim;
    const auto stripes = [&](const std::string& name, const Value& t, int64_t width) {
      const Graph::Scope inner(layers.graph(), name);
      return to_windows(layers, t, site.grid, branch.stripe, branch.heads * width);
    };
    const Value sq = stripes("q", q[i], block.qk_dim), sk = stripes("k", k[i], block.qk_dim),
                sv = stripes("v", v[i], block.v_dim);
    Value mixed;
    if (linear) {
      FocusedMix mix;
      mix.q = sq;
      mix.k = sk;
      mix.v = sv;
      mix.names = names;
      mix.heads = branch.heads;
      mix.keys = branch.stripe.size();
      mix.map = branch.stripe;
      mixed = focused_mix(layers, site, mix);
    } else {
      Heads mix{unfold_heads(layers, "q_by_head", sq, branch.heads, block.qk_dim),
                unfold_heads(layers, "k_by_head", sk, branch.heads, block.qk_dim),
                unfold_heads(layers, "v_by_head", sv, branch.heads, block.v_dim)};
      mix.num_heads = branch.heads;
      mix.qk_dim = block.qk_dim;
      mix.v_dim = block.v_dim;
      mixed = softmax_mix(layers, mix);
    }
    const Value filtered = layers.convolution(layers.to_planes(sv, branch.stripe, channels), names + "get_v",
                                              {1, kPositionFilter / 2, channels});
    const Value positions = layers.cast(layers.from_planes(filtered, branch.stripe, channels), mixed.type);
    parts.push_back(from_windows(layers, layers.binary("Add", "positioned", mixed, positions), site.grid,
                                 branch.stripe, channels));
  }
  return layers.concat("branches", parts, 2);
}

}  // namespace vitrim::exporter
