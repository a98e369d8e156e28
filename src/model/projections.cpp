#include "model/projections.h"

#include <ATen/ATen.h>

#include <cmath>

#include "model/layout.h"

namespace vitrim::model {

Grid key_grid(const AttentionSite& site) {
  return {site.grid.height / site.block.sr_ratio, site.grid.width / site.block.sr_ratio};
}

int64_t num_keys(const AttentionSite& site) {
  return site.block.sr_ratio == 1 ? site.tokens() : site.prefix + key_grid(site).size();
}

void add_projection_parameters(const AttentionSite& site, std::vector<ParameterInfo>& out) {
  const int64_t dim = site.block.embed_dim, sr = site.block.sr_ratio;
  if (!site.separate_q) {
    add_linear(out, site.names + "qkv", 2 * site.qk_width() + site.v_width(), dim, site.spec.qkv_bias);
    return;
  }
  add_linear(out, site.names + "q", site.qk_width(), dim, site.spec.qkv_bias);
  add_linear(out, site.names + "kv", site.qk_width() + site.v_width(), dim, site.spec.qkv_bias);
  if (sr > 1) {
    add_convolution(out, site.names + "sr", dim, dim, sr);
    add_norm(out, site.names + "norm", dim);
  }
}

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

int64_t projection_macs(const AttentionSite& site) {
  const int64_t dim = site.block.embed_dim, keys = num_keys(site);
  const int64_t reduction =
      site.block.sr_ratio > 1 ? site.grid.size() * dim * dim : 0;  // every token of the map is read once
  return site.tokens() * dim * site.qk_width() + keys * dim * (site.qk_width() + site.v_width()) + reduction;
}

void add_projection_channels(const AttentionSite& site, std::vector<ChannelSlice>& out) {
  const int64_t heads = site.block.num_heads, queries = site.qk_width();
  for (const char* kind : {"weight", "bias"}) {
    if (!site.spec.qkv_bias && std::string(kind) == "bias") continue;
    const std::string q = site.names + (site.separate_q ? "q." : "qkv.") + kind,
                      kv = site.names + (site.separate_q ? "kv." : "qkv.") + kind;
    const int64_t keys = site.separate_q ? 0 : queries;
    out.push_back({q, 0, 0, ChannelGroup::kQk, 0, heads, /*shared=*/false, /*query=*/true});
    out.push_back({kv, 0, keys, ChannelGroup::kQk, 0, heads});
    out.push_back({kv, 0, keys + queries, ChannelGroup::kV, 0, heads});
  }
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
at::Tensor softmax_mix(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
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
