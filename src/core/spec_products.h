#pragma once
// The size of the products of a spec's sizes.

#include "vitrim/core/model_spec.h"

namespace vitrim {

/// An upper bound for the parameters and multiply-adds of one image that can't overflow. Each single size of
/// the spec must be in range.
struct SpecProducts {
  double params = 0, macs = 0;
};
SpecProducts spec_products(const ModelSpec& spec);

}  // namespace vitrim
