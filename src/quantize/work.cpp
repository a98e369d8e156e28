#include "quantize/work.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

#include "vitrim/architecture/input_gain.h"
#include "vitrim/quantize/quantize.h"

namespace vitrim::quantize {

using architecture::kInputGain;

Work::Work(const model::Model& model, const std::vector<QuantizedUnit>& units) : units_(units) {
  ModelSpec spec = model.spec();
  model::StateDict state = shared_weights(model);
  for (const QuantizedUnit& unit : units_) {
    mark(spec, unit, true);
    for (const std::string& layer : unit.layers) {
      const at::Tensor weight = state.at(layer + ".weight");
      weights_[layer] = weight;
      set_quantized(state, layer, quantized_for(unit, weight));
      if (unit.member == &QuantizedLayers::fc2) state.add(layer + kInputGain, at::ones({weight.size(1)}));
    }
  }
  student_ = model::make_model(spec, state);
  student_->set_compute_dtype(model.compute_dtype());
}

const QuantizedUnit* Work::unit(int block, bool QuantizedLayers::* member) const {
  for (const QuantizedUnit& unit : units_) {
    if (unit.block == block && unit.member == member) return &unit;
  }
  return nullptr;
}

const QuantizedUnit& Work::unit_of(const std::string& layer) const {
  for (const QuantizedUnit& unit : units_) {
    if (std::find(unit.layers.begin(), unit.layers.end(), layer) != unit.layers.end()) return unit;
  }
  throw std::invalid_argument("[quantize::Work] " + layer + " stays float");
}

void Work::set_weight(const std::string& layer, const at::Tensor& weight) {
  const QuantizedWeight quantized = quantized_for(unit_of(layer), weight);
  weights_[layer] = weight;
  student_->set_parameter(layer + ".weight", quantized.values);
  student_->set_parameter(layer + ".weight_scale", quantized.scale);
}

Snapshot Work::snapshot(int block) const {
  Snapshot out;
  for (const std::string& name : student_->block_parameters(block))
    out.parameters[name] = student_->parameter(name);
  for (const QuantizedUnit& unit : units_) {
    if (unit.block != block) continue;
    for (const std::string& layer : unit.layers) out.weights[layer] = weights_.at(layer);
  }
  return out;
}

void Work::restore(const Snapshot& snapshot) {
  for (const auto& [name, tensor] : snapshot.parameters) {
    if (!student_->parameter(name).is_same(tensor)) student_->set_parameter(name, tensor);
  }
  for (const auto& [layer, weight] : snapshot.weights) weights_[layer] = weight;
}

std::unique_ptr<model::Model> Work::with_int8(const std::vector<QuantizedUnit>& int8) const {
  ModelSpec spec = student_->spec();
  model::StateDict state = shared_weights(*student_);
  const auto is_int8 = [&](const QuantizedUnit& unit) {
    for (const QuantizedUnit& one : int8) {
      if (one.block == unit.block && one.member == unit.member) return true;
    }
    return false;
  };
  for (const QuantizedUnit& unit : units_) {
    const bool stays = is_int8(unit);
    mark(spec, unit, stays);
    for (const std::string& layer : unit.layers) {
      const std::string gain = layer + kInputGain;
      if (stays) {
        if (state.contains(gain) && all_ones(state.at(gain))) state.erase(gain);
        continue;
      }
      const at::Tensor weight = weights_.at(layer);
      state.set(layer + ".weight", state.contains(gain) ? weight * state.at(gain) : weight);
      state.erase(layer + ".weight_scale");
      state.erase(gain);
    }
  }
  auto out = model::make_model(spec, state);
  out->set_compute_dtype(student_->compute_dtype());
  return out;
}

model::StateDict shared_weights(const model::Model& model) {
  model::StateDict out;
  for (const auto& [name, tensor] : model.parameters().entries()) out.add(name, tensor.detach());
  return out;
}

std::unique_ptr<model::Model> computing_in(const model::Model& model, at::ScalarType dtype) {
  auto out = model::make_model(model.spec(), shared_weights(model));
  out->set_compute_dtype(dtype);
  return out;
}

bool all_ones(const at::Tensor& gain) { return (gain == 1).all().item<bool>(); }

}  // namespace vitrim::quantize
