#pragma once
// A model with its own weights.

#include <memory>

#include "vitrim/model/model.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::pipeline {

/// The model of `parts` with copies of the weights, which may then change in place without changing the model
/// that they were cut from; its compute dtype is that of `like`.
inline std::unique_ptr<model::Model> own_model(const surgery::SpecAndWeights& parts,
                                               const model::Model& like) {
  model::StateDict own;
  for (const auto& [name, tensor] : parts.weights.entries()) own.add(name, tensor.detach().clone());
  auto model = model::make_model(parts.spec, own);
  model->set_compute_dtype(like.compute_dtype());
  return model;
}

}  // namespace vitrim::pipeline
