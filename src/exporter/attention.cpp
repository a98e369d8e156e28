#include "exporter/attention.h"

#include <stdexcept>

namespace vitrim::exporter {

namespace {

// The tokens that keys and values come from: all tokens, or those of a smaller map (PVT).
Value key_tokens(LayerBuilder& layers, const AttentionSite& site, const Value& x) {
  const int64_t ratio = site.block.sr_ratio, channels = site.block.embed_dim;
  if (ratio == 1) return x;
  const Value reduced =
      layers.convolution(layers.to_planes(x, site.grid, channels), site.names + "sr", {ratio, 0, 1});
  return layers.layer_norm(layers.from_planes(reduced, architecture::key_grid(site), channels),
                           site.names + "norm");
}

}  // namespace

Projected project(LayerBuilder& layers, const AttentionSite& site, const Value& x) {
  const int64_t qk = site.qk_width(), v = site.v_width();
  if (!layers.has(site.names + "q.weight")) {
    const std::vector<Value> parts =
        layers.split({"q", "k", "v"}, layers.linear(x, site.names + "qkv"), 2, {qk, qk, v});
    return {parts[0], parts[1], parts[2]};
  }
  const Value q = layers.linear(x, site.names + "q");
  const std::vector<Value> parts =
      layers.split({"k", "v"}, layers.linear(key_tokens(layers, site, x), site.names + "kv"), 2, {qk, v});
  return {q, parts[0], parts[1]};
}

Value attention(LayerBuilder& layers, const AttentionSite& site, const Value& x, const MergedStream& merged,
                Value* mean_keys) {
  switch (site.block.attention) {
    case AttentionKind::kNone:
      break;
    case AttentionKind::kSoftmax:
      return softmax_attention(layers, site, x, merged, mean_keys);
    case AttentionKind::kWindow:
      return window_attention(layers, site, x);
    case AttentionKind::kFocusedLinear:
      return focused_linear_attention(layers, site, x);
    case AttentionKind::kCrossShapedWindow:
      return cross_shaped_window_attention(layers, site, x, false);
    case AttentionKind::kCrossFocusedLinear:
      return cross_shaped_window_attention(layers, site, x, true);
    case AttentionKind::kStatic:
      return static_attention(layers, site, x);
  }
  throw std::invalid_argument("[exporter::write_onnx] the ONNX writer does not support attention \"" +
                              attention_name(site.block.attention) + "\"");
}

}  // namespace vitrim::exporter
