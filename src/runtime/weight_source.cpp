#include "runtime/weight_source.h"

#include "vitrim/architecture/input_gain.h"
#include "vitrim/core/error.h"

namespace vitrim::runtime {

std::vector<float> WeightSource::values(const std::string& name, int64_t count) const {
  if (!weights_.contains(name))
    throw FormatError(weights_.path.empty() ? "the weights" : weights_.path, name, "is missing");
  const checkpoint::TensorView& tensor = weights_.at(name);
  if (tensor.numel() != count) {
    throw FormatError(
        weights_.path.empty() ? "the weights" : weights_.path, name,
        "has " + std::to_string(tensor.numel()) + " values instead of " + std::to_string(count));
  }
  return checkpoint::floats_of(tensor);
}

NormWeights WeightSource::norm_before(Linear& layer, const std::string& name, int64_t width) const {
  NormWeights norm = this->norm(name, width);
  if (layer.quantized()) return norm;
  layer.fold_input(norm.gain, norm.shift);
  return {};
}

Linear WeightSource::linear(const std::string& name, int64_t out, int64_t in, bool bias) const {
  Linear layer{out, in, values(name + ".weight", out * in), {}};
  if (weights_.at(name + ".weight").dtype == DType::kI8) {
    layer.factor = values(name + ".weight_scale", out);
    const std::string gain = name + architecture::kInputGain;
    if (weights_.contains(gain)) layer.input_gain = values(gain, in);
  }
  layer.bias = bias ? values(name + ".bias", out) : std::vector<float>(static_cast<size_t>(out), 0.0f);
  return layer;
}

}  // namespace vitrim::runtime
