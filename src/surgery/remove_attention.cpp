#include "vitrim/surgery/remove_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "vitrim/model/parameter_names.h"

namespace vitrim::surgery {

namespace {

std::string block_prefix(size_t index) { return "blocks." + std::to_string(index) + "."; }

void scale(checkpoint::StateDict& weights, const std::string& name, double factor) {
  if (weights.contains(name)) weights.set(name, weights.at(name) * factor);
}

// Everything that writes to the stream before the first block.
void scale_embedding(const ModelSpec& spec, checkpoint::StateDict& weights, double factor) {
  if (spec.pre_norm) {
    for (const char* name : {"norm_pre.weight", "norm_pre.bias"}) scale(weights, name, factor);
    return;
  }
  for (const char* name : {"cls_token", "dist_token", "reg_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"}) {
    scale(weights, name, factor);
  }
}

// What one branch writes: its layer scale where there is one, else the last projection; never both.
void scale_branch(const ModelSpec& spec, checkpoint::StateDict& weights, const std::string& projection, const std::string& gamma,
                  double factor) {
  if (spec.layer_scale) {
    scale(weights, gamma, factor);
  } else {
    scale(weights, projection + ".weight", factor);
    scale(weights, projection + ".bias", factor);
  }
}

}  // namespace

ModelSpec remove_attention(const ModelSpec& spec, const std::vector<int>& layers, double stream_gain) {
  ModelSpec out = spec;
  std::set<int> seen;
  for (int layer : layers) {
    const std::string place = "[surgery::remove_attention] block " + std::to_string(layer) + ": ";
    if (layer < 0 || layer >= static_cast<int>(spec.blocks.size())) {
      throw std::invalid_argument(place + "the model has blocks 0 to " + std::to_string(spec.blocks.size() - 1));
    }
    if (!seen.insert(layer).second) throw std::invalid_argument(place + "named twice");
    BlockSpec& block = out.blocks[static_cast<size_t>(layer)];
    if (block.attention == AttentionKind::kNone) throw std::invalid_argument(place + "its attention is gone already");
    block.attention = AttentionKind::kNone;
    block.num_heads = block.qk_dim = block.v_dim = 0;
    block.stream_gain *= stream_gain;
  }
  return out;
}

SpecAndWeights remove_attention(const SpecAndWeights& model, const std::vector<int>& layers, double stream_gain) {
  SpecAndWeights out{remove_attention(model.spec, layers, stream_gain), {}};
  out.weights.path = model.weights.path;
  out.weights.metadata = model.weights.metadata;
  for (const auto& [name, tensor] : model.weights.entries()) {
    const bool gone = std::any_of(layers.begin(), layers.end(), [&](int layer) { return model::is_attention_parameter(name, layer); });
    if (!gone) out.weights.add(name, tensor);
  }
  return out;
}

SpecAndWeights fold_stream_gains(const SpecAndWeights& model) {
  SpecAndWeights out = model;
  for (size_t i = 0; i < out.spec.blocks.size(); ++i) {
    const double gain = out.spec.blocks[i].stream_gain;
    if (gain == 1) continue;
    scale_embedding(out.spec, out.weights, gain);
    for (size_t j = 0; j < i; ++j) {
      const std::string prefix = block_prefix(j);
      scale_branch(out.spec, out.weights, prefix + "attn.proj", prefix + "ls1.gamma", gain);
      scale_branch(out.spec, out.weights, prefix + "mlp.fc2", prefix + "ls2.gamma", gain);
    }
    out.spec.blocks[i].stream_gain = 1;
  }
  return out;
}

SpecAndWeights dilute(const SpecAndWeights& model, const std::vector<int>& layers, double lambda) {
  if (!(lambda >= 0 && lambda <= 1)) throw std::invalid_argument("[surgery::dilute] lambda " + std::to_string(lambda) + " is not in [0, 1]");
  if (lambda == 0) return fold_stream_gains(remove_attention(model, layers, 2.0));
  remove_attention(model.spec, layers);  // refuses what can't be diluted
  SpecAndWeights out = model;
  for (int layer : layers) {
    out.spec.blocks[static_cast<size_t>(layer)].stream_gain *= 2 - lambda;
    const std::string prefix = block_prefix(static_cast<size_t>(layer));
    scale_branch(out.spec, out.weights, prefix + "attn.proj", prefix + "ls1.gamma", lambda);
  }
  return out;
}

}  // namespace vitrim::surgery
