// CSwin: attention within stripes. Half of the heads work in stripes that go down the map, half in stripes
// across; without stripes all heads attend over the whole map. Within a stripe attention is softmax or
// focused linear attention (FLatten-CSwin). A depthwise filter of v adds positions.

#include "exporter/attention.h"
#include "exporter/regions.h"

namespace vitrim::exporter {

Value cross_shaped_window_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x,
                                    bool linear) {
  const BlockSpec& block = site.block;
  const std::vector<architecture::AttentionBranch> all = architecture::attention_branches(site);
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
    const architecture::AttentionBranch& branch = all[i];
    const Graph::Scope scope(layers.graph(), "attns." + std::to_string(i));
    const int64_t channels = branch.heads * block.v_dim;
    const auto stripes = [&](const std::string& name, const Value& t, int64_t width) {
      const Graph::Scope inner(layers.graph(), name);
      return to_windows(layers, t, site.grid, branch.region, branch.heads * width);
    };
    const Value sq = stripes("q", q[i], block.qk_dim), sk = stripes("k", k[i], block.qk_dim),
                sv = stripes("v", v[i], block.v_dim);
    Value mixed;
    if (linear) {
      FocusedHeads inputs;
      inputs.q = sq;
      inputs.k = sk;
      inputs.v = sv;
      inputs.names = branch.names;
      inputs.heads = branch.heads;
      inputs.keys = branch.region.size();
      inputs.map = branch.region;
      mixed = focused_attend(layers, site, inputs);
    } else {
      Heads inputs{unfold_heads(layers, "q_by_head", sq, branch.heads, block.qk_dim),
                   unfold_heads(layers, "k_by_head", sk, branch.heads, block.qk_dim),
                   unfold_heads(layers, "v_by_head", sv, branch.heads, block.v_dim)};
      inputs.num_heads = branch.heads;
      inputs.qk_dim = block.qk_dim;
      inputs.v_dim = block.v_dim;
      mixed = softmax_attend(layers, inputs);
    }
    const Value filtered =
        layers.convolution(layers.to_planes(sv, branch.region, channels), branch.names + "get_v",
                           {1, architecture::kPositionFilter / 2, channels});
    const Value positions = layers.cast(layers.from_planes(filtered, branch.region, channels), mixed.type);
    parts.push_back(from_windows(layers, layers.binary("Add", "positioned", mixed, positions), site.grid,
                                 branch.region, channels));
  }
  return layers.concat("branches", parts, 2);
}

}  // namespace vitrim::exporter
