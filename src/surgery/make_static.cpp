#include "vitrim/surgery/make_static.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/model/model.h"

namespace vitrim::surgery {

std::vector<int> layers_to_fix(const ModelSpec& spec) {
  std::vector<int> out;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    if (block.attention != AttentionKind::kNone && block.attention != AttentionKind::kStatic &&
        block.sr_ratio <= 1)
      out.push_back(i);
  }
  return out;
}

ModelSpec make_static(const ModelSpec& spec, const std::vector<int>& layers, int64_t filter) {
  ModelSpec out = spec;
  std::set<int> seen;
  for (int layer : layers) {
    const std::string place = "[surgery::make_static] block " + std::to_string(layer) + ": ";
    if (layer < 0 || layer >= static_cast<int>(spec.blocks.size())) {
      throw std::invalid_argument(place + "the model has blocks 0 to " +
                                  std::to_string(spec.blocks.size() - 1));
    }
    if (!seen.insert(layer).second) throw std::invalid_argument(place + "named twice");
    const BlockSpec& old = spec.blocks[static_cast<size_t>(layer)];
    if (old.attention == AttentionKind::kNone)
      throw std::invalid_argument(place + "its attention was removed");
    if (old.attention == AttentionKind::kStatic)
      throw std::invalid_argument(place + "its attention is static already");
    if (old.sr_ratio > 1) {
      throw std::invalid_argument(
          place + "its values come from a smaller map (sr_ratio " + std::to_string(old.sr_ratio) +
          "), which static attention does not have; choose blocks whose values come from every token");
    }
    BlockSpec block;
    block.attention = AttentionKind::kStatic;
    block.embed_dim = old.embed_dim;
    block.num_heads = old.num_heads;
    block.qk_dim = 0;
    block.v_dim = old.v_dim;
    block.mlp_dim = old.mlp_dim;
    block.stream_gain = old.stream_gain;
    block.filter = filter;
    out.blocks[static_cast<size_t>(layer)] = block;
  }
  validate(out);
  return out;
}

namespace {

// The rows of a block's projection that compute its values.
at::Tensor value_rows(const SpecAndWeights& model, int block, const std::string& kind) {
  for (const architecture::ChannelSlice& slice : architecture::channel_slices(model.spec, block)) {
    if (slice.group != architecture::ChannelGroup::kV || slice.dim != 0 ||
        !slice.parameter.ends_with("kv." + kind))
      continue;
    const int64_t width = slice.heads * model.spec.blocks[static_cast<size_t>(block)].v_dim;
    return model.weights.at(slice.parameter).slice(0, slice.offset, slice.offset + width).clone();
  }
  throw std::invalid_argument("[surgery::make_static] block " + std::to_string(block) +
                              ": its values have no projection");
}

}  // namespace

SpecAndWeights make_static(const SpecAndWeights& model, const std::vector<int>& layers, int64_t filter) {
  require_float_weights(model.spec, "making attention static");
  SpecAndWeights out{make_static(model.spec, layers, filter), {}};
  out.weights.path = model.weights.path;
  out.weights.metadata = model.weights.metadata;
  std::set<std::string> wanted;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(out.spec))
    wanted.insert(info.name);
  std::set<std::string> dense;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(model.spec))
    dense.insert(info.name);
  for (const auto& [name, tensor] : model.weights.entries()) {
    if (wanted.contains(name) || !dense.contains(name)) out.weights.add(name, tensor);
  }
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(out.spec)) {
    if (info.part != architecture::Part::kAttention || dense.contains(info.name)) continue;
    if (std::count(layers.begin(), layers.end(), info.block) == 0) continue;
    at::Tensor value = at::zeros(info.shape);
    if (info.name.ends_with("v.weight") || info.name.ends_with("v.bias")) {
      value = value_rows(model, info.block, info.name.substr(info.name.rfind('.') + 1));
    } else if (info.name.ends_with("shares")) {
      value.select(2, 0).fill_(1);
    }
    out.weights.add(info.name, value);
  }
  return out;
}

}  // namespace vitrim::surgery
