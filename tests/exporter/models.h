#pragma once
// Models of every kind that the exporter supports: all variants, each also with attention removed, channels
// cut and tokens merged.

#include <algorithm>
#include <string>
#include <vector>

#include "model/small_models.h"
#include "surgery/draw_gate.h"
#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/quantize/quantize.h"
#include "vitrim/surgery/cut_channels.h"

namespace vitrim::test {

struct NamedModel {
  std::string name;
  surgery::SpecAndWeights parts;
};

/// Other widths in every block: q and k, v and MLP unequal.
inline surgery::SpecAndWeights pruned(const surgery::SpecAndWeights& model) {
  Random random(7, /*stream=*/1);
  std::vector<model::ChannelGates> gates(model.spec.blocks.size());
  for (int i = 0; i < static_cast<int>(gates.size()); ++i) {
    const BlockSpec& block = model.spec.blocks[static_cast<size_t>(i)];
    model::ChannelGates& gate = gates[static_cast<size_t>(i)];
    const auto kept = [&](int64_t width, int64_t less) { return std::max<int64_t>(1, width - less - i); };
    if (architecture::can_prune(model.spec, i, architecture::ChannelGroup::kQk))
      gate.qk = draw_gate(block.num_heads, block.qk_dim, kept(block.qk_dim, 3), random);
    if (architecture::can_prune(model.spec, i, architecture::ChannelGroup::kV))
      gate.v = draw_gate(block.num_heads, block.v_dim, kept(block.v_dim, 1), random);
    gate.mlp = draw_gate(1, block.mlp_dim, kept(block.mlp_dim, 5), random).flatten();
  }
  return surgery::cut_channels(model, gates);
}

inline std::unique_ptr<model::Model> make(const surgery::SpecAndWeights& parts) {
  return model::make_model(parts.spec, parts.weights);
}

/// Every linear layer of the blocks in int8.
inline surgery::SpecAndWeights quantised(const surgery::SpecAndWeights& parts) {
  const auto model = quantize::quantize(*make(parts)).model;
  return {model->spec(), model->parameters()};
}

/// Every variant dense; removed in block 1 with its gain folded or kept; pruned; on a map wider than high;
/// and ViTs pruned, removed and merged in blocks 0 and 2. Focused linear attention also with high powers of
/// small features.
inline std::vector<NamedModel> export_models() {
  std::vector<NamedModel> out;
  for (const Variant& variant : variants()) {
    const surgery::SpecAndWeights dense{variant.spec, lively_weights(variant.spec, 5)};
    const surgery::SpecAndWeights removed = surgery::remove_attention(dense, {1}, 2.0);
    out.push_back({variant.name, dense});
    out.push_back({variant.name + "_removed", surgery::fold_stream_gains(removed)});
    out.push_back({variant.name + "_gain", removed});
    out.push_back({variant.name + "_pruned", pruned(dense)});
    ModelSpec wide = variant.spec;
    wide.image_size = {32, 64};
    out.push_back({variant.name + "_wide", {wide, lively_weights(wide, 6)}});
    if (variant.spec.family != "vit" || has_static_blocks(variant.spec)) continue;
    surgery::SpecAndWeights merged = surgery::remove_attention(pruned(dense), {1});
    merged.spec.blocks[0].merge = 3;
    merged.spec.blocks[2].merge = 4;
    out.push_back({variant.name + "_merged", merged});
  }
  for (const char* family : {"flatten_swin", "pvt_v2", "cswin"}) {
    const ModelSpec sharp = sharp_spec(family);
    out.push_back({std::string(family) + "_sharp", {sharp, sharp_weights(sharp, 5)}});
  }
  surgery::SpecAndWeights headless = out.front().parts;
  headless.spec.num_classes = 0;
  headless.weights.erase("head.weight");
  headless.weights.erase("head.bias");
  out.push_back({"headless", headless});
  return out;
}

/// Those of them that are pruned or merged, in int8 (`_int8` after the name), and the dense plain one with
/// factors on the inputs of fc2, as `vitrim quantize --calib` makes them, and with its first layer alone in
/// int8.
inline std::vector<NamedModel> int8_models() {
  std::vector<NamedModel> out;
  for (const NamedModel& model : export_models()) {
    if (model.name.ends_with("_pruned") || model.name.ends_with("_merged"))
      out.push_back({model.name + "_int8", quantised(model.parts)});
  }
  surgery::SpecAndWeights gains = quantised(export_models().front().parts);
  for (int i = 0; i < static_cast<int>(gains.spec.blocks.size()); ++i) {
    const at::Tensor gain =
        at::rand({gains.spec.blocks[static_cast<size_t>(i)].mlp_dim}, at::detail::createCPUGenerator(i)) +
        0.2;
    gain[1] = 20;
    gains.weights.add("blocks." + std::to_string(i) + ".mlp.fc2" + architecture::kInputGain, gain);
  }
  out.push_back({"input_gains_int8", gains});
  quantize::QuantizeOptions options;
  const auto plain = make(export_models().front().parts);
  for (int i = 0; i < plain->num_blocks(); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(plain->spec(), i)) {
      if (i > 0 || layer.member != &QuantizedLayers::qkv) options.keep.push_back(layer.name);
    }
  }
  const auto model = quantize::quantize(*plain, options).model;
  out.push_back({"first_layer_int8", {model->spec(), model->parameters()}});
  return out;
}

}  // namespace vitrim::test
