#include "vitrim/quantize/quantize.h"

#include <ATen/ATen.h>

#include <map>

#include "quantize/work.h"
#include "vitrim/core/log.h"

namespace vitrim::quantize {

Quantized quantize(const model::Model& model, const QuantizeOptions& options) {
  require_float_weights(model.spec(), "quantising");
  const at::NoGradGuard no_grad;
  ModelSpec spec = model.spec();
  const std::vector<QuantizedUnit> units = units_to_quantize(spec, options);
  model::StateDict weights = shared_weights(model);
  Quantized out;
  out.figures.bytes_before = bytes_of(model.parameters());
  std::map<std::string, double> errors;
  Progress progress("quantising", static_cast<int64_t>(units.size()), "layers");
  for (const QuantizedUnit& unit : units) {
    mark(spec, unit, true);
    for (const std::string& layer : unit.layers) {
      const at::Tensor weight = weights.at(layer + ".weight");
      const QuantizedWeight quantized = quantized_for(unit, weight);
      errors[layer] = relative_error(weight, quantized);
      set_quantized(weights, layer, quantized);
    }
    progress.advance(1);
  }
  out.model = model::make_model(spec, weights);
  out.model->set_compute_dtype(model.compute_dtype());
  out.figures.bytes_after = bytes_of(written(*out.model));
  out.figures.layers = list_layers(*out.model);
  for (QuantizedLayer& layer : out.figures.layers) layer.weight_error = errors[layer.name];
  return out;
}

}  // namespace vitrim::quantize
