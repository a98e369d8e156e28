#include "absorb/fit_state.h"

#include <ATen/ATen.h>

#include <bit>

namespace vitrim::absorb {

namespace {

// Names of one parameter's moments.
std::string moment(const std::string& prefix, size_t parameter, const char* part) {
  return prefix + "." + std::to_string(parameter) + "." + part;
}

}  // namespace

void put_parameters(const model::Model& model, const std::string& prefix, FitState& state) {
  for (const auto& [name, tensor] : model.parameters().entries())
    state.tensors.add(prefix + "." + name, tensor.detach().clone());
}

void take_parameters(const FitState& state, const std::string& prefix, model::Model& model) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.parameters().entries()) names.push_back(name);
  for (const std::string& name : names)
    model.set_parameter(name, state.tensors.at(prefix + "." + name).clone());
}

void put_moments(const train::AdamW& adam, size_t parameters, const std::string& prefix, FitState& state) {
  for (size_t i = 0; i < parameters; ++i) {
    const train::AdamW::Moments& moments = adam.moments(i);
    state.tensors.add(moment(prefix, i, "first"), moments.first.clone());
    state.tensors.add(moment(prefix, i, "second"), moments.second.clone());
    state.tensors.add(moment(prefix, i, "steps"), moments.steps.clone());
  }
}

void take_moments(const FitState& state, const std::string& prefix, size_t parameters, train::AdamW& adam) {
  for (size_t i = 0; i < parameters; ++i) {
    adam.restore(i,
                 {state.tensors.at(moment(prefix, i, "first")), state.tensors.at(moment(prefix, i, "second")),
                  state.tensors.at(moment(prefix, i, "steps"))});
  }
}

void put_number(uint64_t value, const std::string& name, FitState& state) {
  state.tensors.add(name, at::full({1}, std::bit_cast<int64_t>(value), at::kLong));
}

uint64_t take_number(const FitState& state, const std::string& name) {
  return std::bit_cast<uint64_t>(state.tensors.at(name).item<int64_t>());
}

}  // namespace vitrim::absorb
