#include "quantize/units.h"

#include <ATen/ATen.h>

#include <stdexcept>

#include "vitrim/architecture/parameters.h"
#include "vitrim/core/suggest.h"
#include "vitrim/weights/int4.h"

namespace vitrim::quantize {

namespace {

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// The layers in `keep`, all of them checked.
std::set<std::string> kept_layers(const ModelSpec& spec, const std::vector<std::string>& keep) {
  std::set<std::string> all, short_names, out;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(spec, i)) {
      all.insert(layer.name);
      short_names.insert(last_part(layer.name));
    }
  }
  for (const std::string& name : keep) {
    if (all.contains(name)) {
      out.insert(name);
    } else if (short_names.contains(name)) {
      for (const std::string& layer : all) {
        if (last_part(layer) == name) out.insert(layer);
      }
    } else {
      std::vector<std::string> valid(all.begin(), all.end());
      valid.insert(valid.end(), short_names.begin(), short_names.end());
      throw std::invalid_argument("there is no linear layer '" + name + "' to keep; did you mean '" +
                                  nearest(name, valid) + "'?");
    }
  }
  return out;
}

}  // namespace

std::vector<QuantizedUnit> units_to_quantize(const ModelSpec& spec, const QuantizeOptions& options) {
  if (options.weight_bits != 8 && options.weight_bits != 4)
    throw std::invalid_argument("weights have 8 or 4 bits, not " + std::to_string(options.weight_bits));
  const std::set<std::string> kept = kept_layers(spec, options.keep);
  std::vector<QuantizedUnit> out;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    std::vector<QuantizedUnit> units;
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(spec, i)) {
      if (units.empty() || units.back().member != layer.member)
        units.push_back({i, layer.member, {}, options.weight_bits});
      units.back().layers.push_back(layer.name);
    }
    for (const QuantizedUnit& unit : units) {
      bool keeps = false;
      for (const std::string& layer : unit.layers) keeps = keeps || kept.contains(layer);
      if (!keeps) out.push_back(unit);
    }
  }
  if (out.empty()) throw std::invalid_argument("every linear layer is kept, so nothing is left to quantise");
  return out;
}

void mark(ModelSpec& spec, const QuantizedUnit& unit, bool int8) {
  BlockSpec& block = spec.blocks[static_cast<size_t>(unit.block)];
  block.int8.*unit.member = int8;
  block.int4.*unit.member = int8 && unit.weight_bits == 4;
}

QuantizedWeight quantized_for(const QuantizedUnit& unit, const at::Tensor& weight) {
  return unit.weight_bits == 4 ? quantize_weight_int4(weight) : quantize_weight(weight);
}

void set_quantized(model::StateDict& state, const std::string& layer, const QuantizedWeight& weight) {
  state.set(layer + ".weight", weight.values);
  state.set(layer + ".weight_scale", weight.scale);
}

double relative_error(const at::Tensor& weight, const QuantizedWeight& quantized) {
  const double size = weight.norm().item<double>();
  return size > 0 ? (dequantized(quantized) - weight).norm().item<double>() / size : 0;
}

checkpoint::Checkpoint written(const model::Model& model) {
  checkpoint::Checkpoint out = model.parameters();
  weights::pack_int4(model.spec(), out);
  return out;
}

int64_t bytes_of(const checkpoint::Checkpoint& state) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : state.entries()) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

std::vector<QuantizedLayer> list_layers(const model::Model& model) {
  std::vector<QuantizedLayer> out;
  const checkpoint::Checkpoint state = written(model);
  for (int i = 0; i < model.num_blocks(); ++i) {
    const BlockSpec& block = model.spec().blocks[static_cast<size_t>(i)];
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(model.spec(), i)) {
      QuantizedLayer entry;
      entry.name = layer.name;
      entry.int8 = block.int8.*layer.member;
      if (block.int4.*layer.member) entry.weight_bits = 4;
      for (const char* part : {".weight", ".weight_packed", ".weight_scale", ".weight_shape"}) {
        if (state.contains(layer.name + part))
          entry.bytes += static_cast<int64_t>(state.at(layer.name + part).nbytes());
      }
      out.push_back(entry);
    }
  }
  return out;
}

}  // namespace vitrim::quantize
