#pragma once
// What fits put into their states and take out of them.

#include <string>

#include "vitrim/absorb/absorb.h"
#include "vitrim/train/adamw.h"

namespace vitrim::absorb {

/// Copies of the model's parameters, as PREFIX.NAME.
void put_parameters(const model::Model& model, const std::string& prefix, FitState& state);
/// Sets the model's parameters to what lies there.
void take_parameters(const FitState& state, const std::string& prefix, model::Model& model);

/// What the optimiser of so many parameters remembers.
void put_moments(const train::AdamW& adam, size_t parameters, const std::string& prefix, FitState& state);
void take_moments(const FitState& state, const std::string& prefix, size_t parameters, train::AdamW& adam);

/// A whole number of any size.
void put_number(uint64_t value, const std::string& name, FitState& state);
uint64_t take_number(const FitState& state, const std::string& name);

/// The state with which a fit begins; null: at its start.
inline const FitState* beginning(const AbsorbOptions& options) {
  return options.keeper && options.keeper->begin ? &*options.keeper->begin : nullptr;
}

}  // namespace vitrim::absorb
