#pragma once
// Helpers that write and read the states of fits.

#include <string>

#include "vitrim/absorb/absorb.h"
#include "vitrim/train/adamw.h"

namespace vitrim::absorb {

/// Adds copies of the model's parameters, as PREFIX.NAME.
void put_parameters(const model::Model& model, const std::string& prefix, FitState& state);
/// Sets the model's parameters to those stored under PREFIX.NAME.
void take_parameters(const FitState& state, const std::string& prefix, model::Model& model);

/// The optimiser's state for this number of parameters.
void put_moments(const train::AdamW& adam, size_t parameters, const std::string& prefix, FitState& state);
void take_moments(const FitState& state, const std::string& prefix, size_t parameters, train::AdamW& adam);

/// An integer of any size.
void put_number(uint64_t value, const std::string& name, FitState& state);
uint64_t take_number(const FitState& state, const std::string& name);

/// The state from which a fit begins; null: it starts from the beginning.
inline const FitState* beginning(const AbsorbOptions& options) {
  return options.keeper && options.keeper->begin ? &*options.keeper->begin : nullptr;
}

}  // namespace vitrim::absorb
