#include "model/vit.h"

#include <ATen/ATen.h>

#include <cmath>
#include <stdexcept>

namespace vitrim::model {

namespace {

void add_linear(std::vector<ParameterInfo>& out, const std::string& prefix, int64_t rows, int64_t columns, bool bias = true) {
  out.push_back({prefix + ".weight", {rows, columns}});
  if (bias) out.push_back({prefix + ".bias", {rows}});
}

void add_norm(std::vector<ParameterInfo>& out, const std::string& prefix, int64_t width) {
  out.push_back({prefix + ".weight", {width}});
  out.push_back({prefix + ".bias", {width}});
}

void add_block(std::vector<ParameterInfo>& out, const ModelSpec& spec, const BlockSpec& block, const std::string& prefix) {
  const int64_t dim = block.embed_dim;
  if (block.attention != AttentionKind::kNone) {
    add_norm(out, prefix + ".norm1", dim);
    add_linear(out, prefix + ".attn.qkv", block.num_heads * (2 * block.qk_dim + block.v_dim), dim, spec.qkv_bias);
    if (spec.qk_norm) {
      add_norm(out, prefix + ".attn.q_norm", block.qk_dim);
      add_norm(out, prefix + ".attn.k_norm", block.qk_dim);
    }
    add_linear(out, prefix + ".attn.proj", dim, block.num_heads * block.v_dim);
    if (spec.layer_scale) out.push_back({prefix + ".ls1.gamma", {dim}});
  }
  add_norm(out, prefix + ".norm2", dim);
  add_linear(out, prefix + ".mlp.fc1", block.mlp_dim, dim);
  add_linear(out, prefix + ".mlp.fc2", dim, block.mlp_dim);
  if (spec.layer_scale) out.push_back({prefix + ".ls2.gamma", {dim}});
}

}  // namespace

std::vector<ParameterInfo> vit_parameter_layout(const ModelSpec& spec) {
  const int64_t dim = spec.embed_dim;
  std::vector<ParameterInfo> out;
  if (spec.class_token) out.push_back({"cls_token", {1, 1, dim}});
  if (spec.distillation_token) out.push_back({"dist_token", {1, 1, dim}});
  if (spec.register_tokens > 0) out.push_back({"reg_token", {1, spec.register_tokens, dim}});
  const int64_t patches = spec.grid_height() * spec.grid_width();
  out.push_back({"pos_embed", {1, patches + (spec.embed_prefix_tokens ? spec.prefix_tokens() : 0), dim}});
  out.push_back({"patch_embed.proj.weight", {dim, spec.in_channels, spec.patch_size, spec.patch_size}});
  // A norm right behind the patch embedding makes its bias useless; timm leaves it out there.
  if (!spec.pre_norm) out.push_back({"patch_embed.proj.bias", {dim}});
  if (spec.pre_norm) add_norm(out, "norm_pre", dim);
  for (size_t i = 0; i < spec.blocks.size(); ++i) add_block(out, spec, spec.blocks[i], "blocks." + std::to_string(i));
  if (spec.final_norm) add_norm(out, "norm", dim);
  if (spec.fc_norm) add_norm(out, "fc_norm", dim);
  if (spec.num_classes > 0) {
    add_linear(out, "head", spec.num_classes, dim);
    if (spec.distillation_token) add_linear(out, "head_dist", spec.num_classes, dim);
  }
  return out;
}

at::Tensor resize_position_embedding(const at::Tensor& embedding, const ModelSpec& spec) {
  if (embedding.dim() != 3 || embedding.size(2) != spec.embed_dim) return embedding;
  const int64_t prefix = spec.embed_prefix_tokens ? spec.prefix_tokens() : 0;
  const int64_t height = spec.grid_height(), width = spec.grid_width();
  const int64_t old_patches = embedding.size(1) - prefix;
  if (old_patches == height * width || old_patches <= 0) return embedding;
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(old_patches))));
  if (side * side != old_patches) return embedding;
  const at::Tensor grid = embedding.slice(1, prefix).to(at::kFloat).reshape({1, side, side, -1}).permute({0, 3, 1, 2});
  const at::Tensor resized = at::_upsample_bicubic2d_aa(grid, {height, width}, /*align_corners=*/false);
  const at::Tensor flat = resized.permute({0, 2, 3, 1}).reshape({1, height * width, -1});
  return at::cat({embedding.slice(1, 0, prefix).to(at::kFloat), flat}, 1);
}

VitModel::VitModel(ModelSpec spec) : Model(std::move(spec)) {
  for (int i = 0; i < num_blocks(); ++i) prefixes_.push_back("blocks." + std::to_string(i));
}

at::Tensor VitModel::embed(const at::Tensor& images) const {
  if (images.dim() != 4 || images.size(1) != spec_.in_channels || images.size(2) != spec_.image_size[0] ||
      images.size(3) != spec_.image_size[1]) {
    throw std::invalid_argument("[model::embed] the model takes images of [B, " + std::to_string(spec_.in_channels) + ", " +
                                std::to_string(spec_.image_size[0]) + ", " + std::to_string(spec_.image_size[1]) + "]");
  }
  const int64_t batch = images.size(0), patch = spec_.patch_size;
  const int64_t rows = spec_.grid_height(), columns = spec_.grid_width();
  // The patch convolution as one matrix product: [B, rows, columns, channels * patch * patch] x weight^T.
  const at::Tensor patches = images.reshape({batch, spec_.in_channels, rows, patch, columns, patch})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .reshape({batch, rows * columns, -1});
  const at::Tensor weight = compute_weight("patch_embed.proj.weight");
  at::Tensor x = at::linear(patches.to(device(), compute_dtype_), weight.reshape({weight.size(0), -1}),
                            compute_weight("patch_embed.proj.bias"))
                     .to(at::kFloat);
  std::vector<at::Tensor> parts;
  for (const char* token : {"cls_token", "dist_token", "reg_token"}) {
    if (has_parameter(token)) parts.push_back(parameter(token).expand({batch, -1, -1}));
  }
  const at::Tensor position = parameter("pos_embed");
  if (!spec_.embed_prefix_tokens) x = x + position;
  parts.push_back(x);
  x = parts.size() > 1 ? at::cat(parts, 1) : x;
  if (spec_.embed_prefix_tokens) x = x + position;
  return spec_.pre_norm ? layer_norm(x, "norm_pre") : x;
}

namespace {

// softmax(q k^T / sqrt(d)) v for [B, heads, T, d]. In bfloat16 the plain form is about three times as fast on a CPU as the fused
// kernel, which converts tile by tile (docs/performance.md).
at::Tensor mix(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (q.scalar_type() != at::kBFloat16 || !q.is_cpu()) return at::scaled_dot_product_attention(q, k, v);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  return at::matmul(at::softmax(at::matmul(q * scale, k.transpose(2, 3)), -1), v);
}

at::Tensor rows(const at::Tensor& t, int64_t begin, int64_t end) { return t.defined() ? t.slice(0, begin, end) : t; }

}  // namespace

at::Tensor VitModel::attention(int index, const at::Tensor& x, const at::Tensor& tokens) const {
  const BlockSpec& block = spec_.blocks[index];
  const std::string& prefix = prefixes_[index];
  const int64_t batch = x.size(0), heads = block.num_heads, queries = heads * block.qk_dim;
  const at::Tensor normed = layer_norm(x, prefix + ".norm1").to(compute_dtype_);
  const at::Tensor weight = compute_weight(prefix + ".attn.qkv.weight"), bias = compute_weight(prefix + ".attn.qkv.bias");
  at::Tensor q, kv;
  if (tokens.defined()) {
    q = at::linear(normed.index_select(1, tokens), rows(weight, 0, queries), rows(bias, 0, queries));
    kv = at::linear(normed, rows(weight, queries, weight.size(0)), rows(bias, queries, weight.size(0)));
  } else {
    const at::Tensor qkv = at::linear(normed, weight, bias);
    q = qkv.slice(2, 0, queries);
    kv = qkv.slice(2, queries);
  }
  auto per_head = [&](const at::Tensor& t, int64_t width) { return t.reshape({batch, t.size(1), heads, width}).transpose(1, 2); };
  q = per_head(q, block.qk_dim);
  at::Tensor k = per_head(kv.slice(2, 0, queries), block.qk_dim);
  const at::Tensor v = per_head(kv.slice(2, queries), block.v_dim);
  if (spec_.qk_norm) {
    q = layer_norm(q, prefix + ".attn.q_norm");
    k = layer_norm(k, prefix + ".attn.k_norm");
  }
  const at::Tensor mixed = mix(q, k, v).transpose(1, 2).reshape({batch, q.size(2), heads * block.v_dim});
  at::Tensor out = linear(mixed, prefix + ".attn.proj");
  if (spec_.layer_scale) out = out * parameter(prefix + ".ls1.gamma");
  return out;
}

at::Tensor VitModel::run_block(int index, const at::Tensor& x, BlockGain gain, BlockTrace* trace, const DropPath& drop) const {
  const BlockSpec& block = spec_.blocks[index];
  const double stream = gain.stream * block.stream_gain;
  at::Tensor y = stream == 1 ? x : x * stream;
  if (gain.branch != 0 && block.attention != AttentionKind::kNone) {
    const at::Tensor branch = attention(index, x, {});
    if (trace) trace->attention = branch;
    y = at::add(y, drop.attention.defined() ? branch * drop.attention : branch, gain.branch);
  }
  if (trace) trace->after_attention = y;
  return run_mlp(index, y, trace, drop);
}

at::Tensor VitModel::run_block_at(int index, const at::Tensor& x, const at::Tensor& tokens, BlockTrace* trace) const {
  const BlockSpec& block = spec_.blocks[index];
  at::Tensor y = x.index_select(1, tokens);
  if (block.stream_gain != 1) y = y * block.stream_gain;
  if (block.attention != AttentionKind::kNone) {
    const at::Tensor branch = attention(index, x, tokens);
    if (trace) trace->attention = branch;
    y = at::add(y, branch);
  }
  if (trace) trace->after_attention = y;
  return run_mlp(index, y, trace, {});
}

at::Tensor VitModel::run_mlp(int index, const at::Tensor& y, BlockTrace* trace, const DropPath& drop) const {
  const std::string& prefix = prefixes_[index];
  const at::Tensor hidden = at::gelu(linear(layer_norm(y, prefix + ".norm2"), prefix + ".mlp.fc1"));
  at::Tensor branch = linear(hidden, prefix + ".mlp.fc2");
  if (spec_.layer_scale) branch = branch * parameter(prefix + ".ls2.gamma");
  if (trace) {
    trace->hidden = hidden;
    trace->mlp = branch;
  }
  return at::add(y, drop.mlp.defined() ? branch * drop.mlp : branch);
}

Output VitModel::finish(const at::Tensor& x) const {
  at::Tensor normed = spec_.final_norm ? layer_norm(x, "norm") : x;
  Output out;
  if (spec_.pooling == Pooling::kToken) {
    out.features = normed.select(1, 0);
  } else {
    out.features = normed.slice(1, spec_.prefix_tokens()).mean(1);
  }
  at::Tensor pooled = out.features;
  if (spec_.fc_norm) pooled = out.features = layer_norm(pooled, "fc_norm");
  // Without any norm the features' scale would be the stream's, which masking changes: an affine-free LayerNorm takes it out.
  if (!spec_.final_norm && !spec_.fc_norm) out.features = at::layer_norm(pooled, {spec_.embed_dim}, {}, {}, spec_.norm_eps);
  if (spec_.num_classes > 0) {
    auto classify = [&](const at::Tensor& f, const std::string& head) { return linear(f, head).to(at::kFloat); };
    out.logits = classify(pooled, "head");
    if (spec_.distillation_token) {
      out.head = out.logits;
      out.head_dist = classify(normed.select(1, 1), "head_dist");
      out.logits = (out.head + out.head_dist) * 0.5;
    }
  }
  return out;
}

}  // namespace vitrim::model
