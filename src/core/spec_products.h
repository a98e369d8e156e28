#pragma once
// How large the products of a spec's sizes are.

#include "vitrim/core/model_spec.h"

namespace vitrim {

/// Parameters and multiply-adds of one image, as an estimate from above that can't overflow. Takes a spec
/// whose single sizes are in range.
struct SpecProducts {
  double params = 0, macs = 0;
};
SpecProducts spec_products(const ModelSpec& spec);

}  // namespace vitrim
