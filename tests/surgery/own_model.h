#pragma once

#include <memory>

#include "vitrim/model/loading.h"
#include "vitrim/model/model.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::test {

/// A model of copies of these weights, so that what surgery returned stays as it is.
inline std::unique_ptr<model::Model> own_model(const surgery::SpecAndWeights& parts) {
  model::StateDict own;
  for (const auto& [name, tensor] : parts.weights.entries()) own.add(name, tensor.clone());
  return model::make_model(parts.spec, own);
}

}  // namespace vitrim::test
