#include "runtime/vit_weights.h"

#include <cmath>

#include "runtime/weight_source.h"

namespace vitrim::runtime {

namespace {

template <typename T>
BlockWeights<T> block_weights(const WeightSource& source, const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const std::string prefix = "blocks." + std::to_string(index) + ".";
  const int64_t dim = block.embed_dim;
  BlockWeights<T> out;
  out.stream_gain = static_cast<float>(block.stream_gain);
  const int64_t v = block.num_heads * block.v_dim;
  if (block.attention == AttentionKind::kStatic) {
    out.fixed = StaticWeights<T>(source, spec, index, prefix + "attn.", prefix + "norm1");
  } else if (block.attention != AttentionKind::kNone) {
    const int64_t qk = block.num_heads * block.qk_dim;
    Linear qkv = source.linear(prefix + "attn.qkv", 2 * qk + v, dim, spec.qkv_bias);
    out.norm1 = source.norm_before(qkv, prefix + "norm1", dim);
    const float scale =
        static_cast<float>(std::log2(std::exp(1.0)) / std::sqrt(static_cast<double>(block.qk_dim)));
    if (spec.qk_norm) {
      out.q_norm = source.norm(prefix + "attn.q_norm", block.qk_dim);
      out.k_norm = source.norm(prefix + "attn.k_norm", block.qk_dim);
      for (std::vector<float>* part : {&out.q_norm.gain, &out.q_norm.shift}) {
        for (float& x : *part) x *= scale;
      }
    }
    for (int64_t h = 0; h < block.num_heads; ++h) {
      Linear q = qkv.rows(h * block.qk_dim, (h + 1) * block.qk_dim);
      if (!spec.qk_norm) q.scale(scale);
      q.pad_rows(padded_qk(block));
      Linear kv = qkv.rows(qk + h * block.qk_dim, qk + (h + 1) * block.qk_dim);
      kv.pad_rows(padded_qk(block));
      Linear values = qkv.rows(2 * qk + h * block.v_dim, 2 * qk + (h + 1) * block.v_dim);
      values.pad_rows(padded_v(block));
      kv.append(values);
      out.heads.push_back({Matrix<T>(q), Matrix<T>(kv)});
    }
  }
  if (block.attention != AttentionKind::kNone) {
    Linear proj = source.linear(prefix + "attn.proj", dim, v);
    if (spec.layer_scale) proj.fold_output(source.values(prefix + "ls1.gamma", dim));
    out.proj = Matrix<T>(proj);
  }
  out.mlp = MlpWeights<T>(source, spec, block, prefix);
  return out;
}

// The part of the stream before block 0 that does not depend on the image.
std::vector<float> start_of(const WeightSource& source, const ModelSpec& spec,
                            const std::vector<float>& patch_bias) {
  const int64_t dim = spec.embed_dim, prefix = spec.prefix_tokens(), tokens = spec.num_tokens();
  std::vector<float> out;
  auto append = [&](const std::vector<float>& rows) { out.insert(out.end(), rows.begin(), rows.end()); };
  if (spec.class_token) append(source.values("cls_token", dim));
  if (spec.distillation_token) append(source.values("dist_token", dim));
  if (spec.register_tokens > 0) append(source.values("reg_token", spec.register_tokens * dim));
  for (int64_t i = prefix; i < tokens; ++i) append(patch_bias);
  const int64_t from = spec.embed_prefix_tokens ? 0 : prefix;
  const std::vector<float> positions = source.values("pos_embed", (tokens - from) * dim);
  for (size_t i = 0; i < positions.size(); ++i) out[static_cast<size_t>(from * dim) + i] += positions[i];
  return out;
}

template <typename T>
Matrix<T> head_of(const WeightSource& source, const ModelSpec& spec) {
  if (spec.num_classes == 0) return {};
  Linear head = source.linear("head", spec.num_classes, spec.feature_dim());
  if (!spec.distillation_token) return Matrix<T>(head);
  const Linear dist = source.linear("head_dist", spec.num_classes, spec.embed_dim);
  Linear both{spec.num_classes, 2 * spec.embed_dim, {}, {}};
  for (int64_t r = 0; r < spec.num_classes; ++r) {
    for (const Linear* one : {static_cast<const Linear*>(&head), &dist}) {
      for (int64_t c = 0; c < spec.embed_dim; ++c)
        both.weight.push_back(0.5f * one->weight[static_cast<size_t>(r * spec.embed_dim + c)]);
    }
    both.bias.push_back(0.5f * (head.bias[static_cast<size_t>(r)] + dist.bias[static_cast<size_t>(r)]));
  }
  return Matrix<T>(both);
}

}  // namespace

template <typename T>
VitWeights<T>::VitWeights(const ModelSpec& model, const checkpoint::Checkpoint& weights)
    : spec(model), start(model.num_tokens() * model.embed_dim) {
  const WeightSource source(weights);
  const int64_t pixels = spec.in_channels * spec.patch_size * spec.patch_size;
  Linear embedding = source.linear("patch_embed.proj", spec.embed_dim, pixels, !spec.pre_norm);
  const std::vector<float> rows = start_of(source, spec, embedding.bias);
  std::copy(rows.begin(), rows.end(), start.data());
  std::fill(embedding.bias.begin(), embedding.bias.end(), 0.0f);
  patches = Matrix<T>(embedding);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
    blocks.push_back(block_weights<T>(source, spec, i));
  if (spec.pre_norm) norm_pre = source.norm("norm_pre", spec.embed_dim);
  if (spec.final_norm) norm = source.norm("norm", spec.embed_dim);
  if (spec.fc_norm) fc_norm = source.norm("fc_norm", spec.embed_dim);
  head = head_of<T>(source, spec);
  bytes = patches.bytes() + start.bytes() + head.bytes();
  for (const BlockWeights<T>& block : blocks) {
    bytes += block.proj.bytes() + block.mlp.bytes() + block.fixed.bytes();
    for (const HeadWeights<T>& h : block.heads) bytes += h.q.bytes() + h.kv.bytes();
  }
}

template struct VitWeights<float>;
template struct VitWeights<Bf16>;

}  // namespace vitrim::runtime
