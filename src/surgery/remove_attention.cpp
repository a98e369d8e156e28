#include "vitrim/surgery/remove_attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/model/model.h"

namespace vitrim::surgery {

namespace {

void scale(model::StateDict& weights, const std::string& name, double factor) {
  if (weights.contains(name)) weights.set(name, weights.at(name) * factor);
}

// The parameters that scale the output of one branch: its layer scale if there is one, else the last
// projection; never both.
void scale_branch(const ModelSpec& spec, model::StateDict& weights, const std::string& projection,
                  const std::string& gamma, double factor) {
  if (spec.layer_scale) {
    scale(weights, gamma, factor);
  } else {
    scale(weights, projection + ".weight", factor);
    scale(weights, projection + ".bias", factor);
  }
}

void scale_attention(const ModelSpec& spec, model::StateDict& weights, int block, double factor) {
  if (spec.blocks[static_cast<size_t>(block)].attention == AttentionKind::kNone) return;
  scale_branch(spec, weights, architecture::projection_name(spec, block),
               architecture::block_prefix(spec, block) + "ls1.gamma", factor);
}

// The parameters of the attention of `layers`.
std::set<std::string> attention_parameters(const ModelSpec& spec, const std::vector<int>& layers) {
  std::set<std::string> names;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec)) {
    if (info.part == architecture::Part::kAttention &&
        std::count(layers.begin(), layers.end(), info.block) > 0)
      names.insert(info.name);
  }
  return names;
}

}  // namespace

ModelSpec remove_attention(const ModelSpec& spec, const std::vector<int>& layers, double stream_gain) {
  ModelSpec out = spec;
  std::set<int> seen;
  for (int layer : layers) {
    const std::string place = "[surgery::remove_attention] block " + std::to_string(layer) + ": ";
    if (layer < 0 || layer >= static_cast<int>(spec.blocks.size())) {
      throw std::invalid_argument(place + "the model has blocks 0 to " +
                                  std::to_string(spec.blocks.size() - 1));
    }
    if (!seen.insert(layer).second) throw std::invalid_argument(place + "named twice");
    BlockSpec& block = out.blocks[static_cast<size_t>(layer)];
    if (block.attention == AttentionKind::kNone)
      throw std::invalid_argument(place + "its attention was removed already");
    block.attention = AttentionKind::kNone;
    BlockSpec without;
    without.attention = AttentionKind::kNone;
    without.embed_dim = block.embed_dim;
    without.mlp_dim = block.mlp_dim;
    without.stream_gain = block.stream_gain * stream_gain;
    without.int8.fc1 = block.int8.fc1;
    without.int8.fc2 = block.int8.fc2;
    block = without;
  }
  return out;
}

SpecAndWeights remove_attention(const SpecAndWeights& model, const std::vector<int>& layers,
                                double stream_gain) {
  SpecAndWeights out{remove_attention(model.spec, layers, stream_gain), {}};
  out.weights.path = model.weights.path;
  out.weights.metadata = model.weights.metadata;
  const std::set<std::string> gone = attention_parameters(model.spec, layers);
  for (const auto& [name, tensor] : model.weights.entries()) {
    if (!gone.contains(name)) out.weights.add(name, tensor);
  }
  return out;
}

SpecAndWeights fold_stream_gains(const SpecAndWeights& model) {
  SpecAndWeights out = model;
  for (int i = 0; i < static_cast<int>(out.spec.blocks.size()); ++i) {
    const double gain = out.spec.blocks[static_cast<size_t>(i)].stream_gain;
    if (gain == 1) continue;
    require_float_weights(out.spec, "folding a removed layer's gain into the weights before it");
    const ModelSpec::Position at = out.spec.position(i);
    for (const std::string& name : architecture::stream_writers(out.spec, at.stage))
      scale(out.weights, name, gain);
    for (int j = i - at.index; j < i; ++j) {  // the earlier blocks of the stage
      const std::string prefix = architecture::block_prefix(out.spec, j);
      scale_attention(out.spec, out.weights, j, gain);
      scale_branch(out.spec, out.weights, prefix + "mlp.fc2", prefix + "ls2.gamma", gain);
    }
    out.spec.blocks[static_cast<size_t>(i)].stream_gain = 1;
  }
  return out;
}

SpecAndWeights dilute(const SpecAndWeights& model, const std::vector<int>& layers, double lambda,
                      double stream) {
  if (!(lambda >= 0 && lambda <= 1))
    throw std::invalid_argument("[surgery::dilute] lambda " + std::to_string(lambda) + " is not in [0, 1]");
  if (lambda == 0) return fold_stream_gains(remove_attention(model, layers, stream));
  remove_attention(model.spec, layers);  // throws on layers that can't be diluted
  require_float_weights(model.spec, "dilution");
  SpecAndWeights out = model;
  for (int layer : layers) {
    out.spec.blocks[static_cast<size_t>(layer)].stream_gain *= stream - (stream - 1) * lambda;
    scale_attention(out.spec, out.weights, layer, lambda);
  }
  return out;
}

}  // namespace vitrim::surgery
