#include "model/projections.h"

#include <ATen/ATen.h>

#include <cmath>

namespace vitrim::model {

namespace {

// The tokens that keys and values come from.
at::Tensor key_tokens(const Model& model, const AttentionSite& site, const at::Tensor& x) {
  if (site.block.sr_ratio == 1) return x;
  const at::Tensor map = x.transpose(1, 2).reshape({x.size(0), x.size(2), site.grid.height, site.grid.width});
  const at::Tensor reduced = model.convolution(map, site.names + "sr", site.block.sr_ratio, 0);
  return model.layer_norm(reduced.flatten(2).transpose(1, 2), site.names + "norm");
}

}  // namespace

Projected project(const Model& model, const AttentionSite& site, const at::Tensor& x,
                  const at::Tensor& tokens) {
  const int64_t queries = site.qk_width();
  if (site.separate_q) {
    const at::Tensor kv = model.linear(key_tokens(model, site, x), site.names + "kv");
    return {model.linear(tokens.defined() ? x.index_select(1, tokens) : x, site.names + "q"),
            kv.slice(2, 0, queries), kv.slice(2, queries)};
  }
  const std::string name = site.names + "qkv";
  if (!tokens.defined()) {
    const at::Tensor qkv = model.linear(x, name);
    return {qkv.slice(2, 0, queries), qkv.slice(2, queries, 2 * queries), qkv.slice(2, 2 * queries)};
  }
  const at::Tensor kv = model.linear(x, name, queries, 2 * queries + site.v_width());
  return {model.linear(x.index_select(1, tokens), name, 0, queries), kv.slice(2, 0, queries),
          kv.slice(2, queries)};
}

at::Tensor split_heads(const at::Tensor& t, int64_t heads) {
  return t.unflatten(-1, {heads, t.size(-1) / heads}).transpose(-3, -2);
}
at::Tensor join_heads(const at::Tensor& t) { return t.transpose(-3, -2).flatten(-2); }
at::Tensor flat_gate(const at::Tensor& gate, const at::Tensor& like) {
  return gate.flatten().to(like.scalar_type());
}

// In bfloat16 the plain form is about three times as fast on a CPU as the fused kernel, which converts tile
// by tile (docs/performance.md).
at::Tensor softmax_attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& bias) {
  if (!bias.defined() && (q.scalar_type() != at::kBFloat16 || !q.is_cpu()))
    return at::scaled_dot_product_attention(q, k, v);
  if (!q.is_cpu() && q.dim() == 4) return at::scaled_dot_product_attention(q, k, v, bias);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  at::Tensor scores = at::matmul(q * scale, k.transpose(-2, -1));
  if (bias.defined()) scores = scores + bias;
  return at::matmul(at::softmax(scores, -1), v);
}

at::Tensor to_windows(const at::Tensor& t, Grid map, Grid window) {
  if (window == map) return t;
  const int64_t down = map.height / window.height, across = map.width / window.width;
  return t.reshape({t.size(0), down, window.height, across, window.width, t.size(2)})
      .transpose(2, 3)
      .reshape({-1, window.size(), t.size(2)});
}

at::Tensor from_windows(const at::Tensor& t, Grid map, Grid window) {
  if (window == map) return t;
  const int64_t down = map.height / window.height, across = map.width / window.width;
  return t.reshape({-1, down, across, window.height, window.width, t.size(2)})
      .transpose(2, 3)
      .reshape({-1, map.size(), t.size(2)});
}

at::Tensor roll_map(const at::Tensor& t, Grid map, int64_t shift) {
  if (shift == 0) return t;
  return t.reshape({t.size(0), map.height, map.width, t.size(2)})
      .roll({shift, shift}, {1, 2})
      .reshape(t.sizes());
}

}  // namespace vitrim::model
