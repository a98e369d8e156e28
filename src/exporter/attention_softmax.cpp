// Every token attends to all tokens (ViT), or to a smaller map of keys and values (PVT).

#include "exporter/attention.h"
#include "exporter/regions.h"

namespace vitrim::exporter {

Value softmax_attention(LayerBuilder& layers, const AttentionSite& site, const Value& x,
                        const MergedStream& merged, Value* mean_keys) {
  const int64_t heads = site.block.num_heads, qk = site.block.qk_dim, v = site.block.v_dim;
  const Projected p = project(layers, site, x);
  Heads inputs{unfold_heads(layers, "q_by_head", p.q, heads, qk),
               unfold_heads(layers, "k_by_head", p.k, heads, qk),
               unfold_heads(layers, "v_by_head", p.v, heads, v)};
  if (layers.spec().qk_norm) {
    inputs.q = layers.to_compute(layers.layer_norm(inputs.q, site.names + "q_norm"));
    inputs.k = layers.to_compute(layers.layer_norm(inputs.k, site.names + "k_norm"));
  }
  if (mean_keys) *mean_keys = layers.reduce("ReduceMean", "mean_keys", layers.to_float(inputs.k), 2, false);
  inputs.num_heads = heads;
  inputs.qk_dim = qk;
  inputs.v_dim = v;
  if (merged.sizes.defined()) {  // a merged token counts as many times as its size
    inputs.bias.push_back(layers.reshape("size_bias", layers.unary("Log", "log_sizes", merged.sizes),
                                         {0, 1, 1, merged.tokens}));
  }
  return softmax_attend(layers, inputs);
}

}  // namespace vitrim::exporter
