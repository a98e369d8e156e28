#include "vitrim/exporter/onnx.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "exporter/attention.h"
#include "exporter/executor.h"
#include "exporter/family.h"
#include "exporter/onnx_file.h"
#include "vitrim/architecture/stages.h"

namespace vitrim::exporter {

namespace {

constexpr const char* kPlace = "[exporter::write_onnx] ";
constexpr const char* kInputName = "pixel_values";

void check(const model::Model& model, const OnnxOptions& options) {
  const ModelSpec& spec = model.spec();
  if (options.batch && *options.batch < 1)
    throw std::invalid_argument(kPlace + std::string("a graph takes at least one image, not ") +
                                std::to_string(*options.batch));
  if (options.longest_file < 0)
    throw std::invalid_argument(kPlace + std::string("the longest file is negative"));
  if (!options.class_names.empty() && static_cast<int64_t>(options.class_names.size()) != spec.num_classes) {
    throw std::invalid_argument(kPlace + std::to_string(options.class_names.size()) + " class names for " +
                                std::to_string(spec.num_classes) + " classes");
  }
  for (int i = 0; i < model.num_blocks(); ++i) {
    const model::ChannelGates& gates = model.gates(i);
    if (gates.qk.defined() || gates.v.defined() || gates.mlp.defined()) {
      throw std::invalid_argument(kPlace + std::string("block ") + std::to_string(i) +
                                  " is gated; cut the channels first");
    }
  }
  for (const std::string& name : int8_layers(spec)) {
    if (!options.input_ranges.empty() && !options.input_ranges.contains(name))
      throw std::invalid_argument(kPlace + std::string("no range was passed for the input of ") + name);
  }
  if (options.input_ranges.size() > int8_layers(spec).size())
    throw std::invalid_argument(kPlace + std::string("ranges were passed for layers that are not int8"));
  architecture::check_declared(executor(), spec, kPlace);
}

Value mlp(LayerBuilder& layers, int index, const Value& normed) {
  const ModelSpec& spec = layers.spec();
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const std::string names = architecture::block_prefix(spec, index) + "mlp.";
  const Graph::Scope scope(layers.graph(), "mlp");
  Value hidden = layers.linear(normed, names + "fc1");
  if (architecture::has_mlp_convolution(spec)) {
    const Graph::Scope inner(layers.graph(), "dwconv");
    const Grid grid = spec.block_grid(index);
    const Value planes = layers.to_planes(hidden, grid, block.mlp_dim);
    hidden = layers.from_planes(layers.convolution(planes, names + "dwconv.dwconv", {1, 1, block.mlp_dim}),
                                grid, block.mlp_dim);
  }
  if (spec.gated_mlp) {
    const std::vector<Value> halves =
        layers.split({"gate", "up"}, hidden, -1, {block.mlp_dim, block.mlp_dim});
    return layers.linear(layers.binary("Mul", "gated", layers.activation(halves[0]), halves[1]),
                         names + "fc2");
  }
  return layers.linear(layers.activation(hidden), names + "fc2");
}

// The contribution of a branch to the stream, float32.
Value branch(LayerBuilder& layers, const Value& out, const std::string& gamma) {
  const Value whole = layers.to_float(out);
  return layers.spec().layer_scale
             ? layers.binary("Mul", gamma.substr(gamma.size() - 9, 3), whole, layers.stored(gamma))
             : whole;
}

Value run_block(LayerBuilder& layers, int index, const Value& x, MergedStream& merged) {
  const ModelSpec& spec = layers.spec();
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const std::string prefix = architecture::block_prefix(spec, index);
  const Graph::Scope scope(layers.graph(), prefix.substr(0, prefix.size() - 1));
  Value y = block.stream_gain == 1 ? x : layers.scaled("gain", x, block.stream_gain);
  if (block.attention != AttentionKind::kNone) {
    const architecture::AttentionSite site = architecture::attention_site(spec, index);
    const Value normed = layers.layer_norm(x, prefix + "norm1");
    Value keys, out;
    {
      const Graph::Scope inner(layers.graph(), "attn");
      out = layers.linear(attention(layers, site, normed, merged, block.merge > 0 ? &keys : nullptr),
                          site.names + "proj");
    }
    y = layers.binary("Add", "after_attention", y, branch(layers, out, prefix + "ls1.gamma"));
    if (block.merge > 0) y = merge_tokens(layers, y, keys, block.merge, merged);
  }
  Value z = layers.binary(
      "Add", "after_mlp", y,
      branch(layers, mlp(layers, index, layers.layer_norm(y, prefix + "norm2")), prefix + "ls2.gamma"));
  layers.graph().describe(z, {layers.batch(), merged.tokens, block.embed_dim});
  return z;
}

std::map<std::string, std::string> metadata(const ModelSpec& spec, const OnnxOptions& options) {
  using nlohmann::json;
  std::map<std::string, std::string> out;
  out[kSpecMetadataKey] = to_json(spec);
  if (const auto& preprocess = spec.preprocess) {
    out["mean"] = json(preprocess->mean).dump();
    out["std"] = json(preprocess->std).dump();
    out["resize"] = preprocess->resize ? std::to_string(*preprocess->resize) : "none";
    if (preprocess->squash) out["squash"] = "true";
    out["crop"] = std::to_string(preprocess->crop);
    out["interpolation"] = preprocess->interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear";
  }
  out["image_size"] = json(spec.image_size).dump();
  const std::vector<std::string>& names =
      options.class_names.empty() ? spec.class_names : options.class_names;
  if (!names.empty()) {
    try {
      out["class_names"] = json(names).dump();
    } catch (const json::exception&) {
      throw std::invalid_argument(kPlace + std::string("a class name is not valid UTF-8"));
    }
  }
  return out;
}

}  // namespace

OnnxSummary write_onnx(const model::Model& model, const std::string& path, const OnnxOptions& options) {
  check(model, options);
  const ModelSpec& spec = model.spec();
  const FamilyGraph& family = family_of(spec);
  LayerBuilder layers(model, options);
  const Value pixels = layers.graph().input(
      kInputName, Type::kFloat, {layers.batch(), spec.in_channels, spec.image_size[0], spec.image_size[1]});
  Value x = family.embed(layers, pixels);
  MergedStream merged;
  merged.tokens = spec.block_tokens(0);
  for (int i = 0; i < model.num_blocks(); ++i) {
    const ModelSpec::Position at = spec.position(i);
    if (at.stage > 0 && at.index == 0) {
      x = family.transition(layers, at.stage, x);
      merged.tokens = spec.block_tokens(i);
    }
    x = run_block(layers, i, x, merged);
  }
  const Value out = family.finish(layers, x, merged);
  if (spec.num_classes > 0) {
    layers.graph().output("logits", out, {layers.batch(), spec.num_classes});
  } else {
    layers.graph().output("features", out, {layers.batch(), spec.feature_dim()});
  }
  layers.check_all_taken();
  OnnxSummary summary;
  summary.files = write_graph(layers.graph(), metadata(spec, options), path, options.longest_file);
  summary.nodes = layers.graph().num_nodes();
  summary.input = layers.graph().input_info();
  summary.output = layers.graph().output_info();
  return summary;
}

}  // namespace vitrim::exporter
