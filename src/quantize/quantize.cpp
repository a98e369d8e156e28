#include "vitrim/quantize/quantize.h"

#include <ATen/ATen.h>

#include <set>
#include <stdexcept>

#include "vitrim/core/log.h"
#include "vitrim/core/suggest.h"
#include "vitrim/model/quantized.h"
#include "vitrim/quantize/weights.h"

namespace vitrim::quantize {

namespace {

int64_t bytes_of(const model::StateDict& state) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : state.entries()) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// The layers that `keep` names, all of them checked.
std::set<std::string> kept_layers(const ModelSpec& spec, const std::vector<std::string>& keep) {
  std::set<std::string> all, short_names, out;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const model::QuantizableLayer& layer : model::quantizable_layers(spec, i)) {
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

Quantized quantize(const model::Model& model, const QuantizeOptions& options) {
  require_float_weights(model.spec(), "quantising");
  const at::NoGradGuard no_grad;
  ModelSpec spec = model.spec();
  const std::set<std::string> keep = kept_layers(spec, options.keep);
  model::StateDict weights;
  for (const auto& [name, tensor] : model.parameters().entries()) weights.add(name, tensor.detach());
  Quantized out;
  out.figures.bytes_before = bytes_of(weights);
  Progress progress("quantising", static_cast<int64_t>(spec.blocks.size()), "blocks");
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const std::vector<model::QuantizableLayer> layers = model::quantizable_layers(spec, i);
    for (const model::QuantizableLayer& layer : layers) {
      // q and kv stand under one name in the spec.
      bool kept = false;
      for (const model::QuantizableLayer& other : layers)
        kept = kept || (other.member == layer.member && keep.contains(other.name));
      if (kept) continue;
      spec.blocks[static_cast<size_t>(i)].int8.*layer.member = true;
      const at::Tensor weight = weights.at(layer.name + ".weight");
      const QuantizedWeight quantized = quantize_weight(weight);
      const double size = weight.norm().item<double>();
      out.figures.layers.push_back(
          {layer.name, size > 0 ? (dequantized(quantized) - weight).norm().item<double>() / size : 0});
      weights.set(layer.name + ".weight", quantized.values);
      weights.add(layer.name + ".weight_scale", quantized.scale);
    }
    progress.advance(1);
  }
  if (out.figures.layers.empty())
    throw std::invalid_argument("every linear layer is kept, so nothing is left to quantise");
  out.figures.bytes_after = bytes_of(weights);
  out.model = model::make_model(spec, weights);
  out.model->set_compute_dtype(model.compute_dtype());
  return out;
}

}  // namespace vitrim::quantize
