#pragma once
#include <ATen/ATen.h>

#include <vector>

#include "vitrim/core/random.h"

namespace vitrim::test {

/// `kept` channels of every head, drawn anew for each, with factors between 0.5 and 1.5.
inline at::Tensor draw_gate(int64_t heads, int64_t width, int64_t kept, Random& random) {
  at::Tensor gate = at::zeros({heads, width});
  for (int64_t h = 0; h < heads; ++h) {
    const std::vector<int64_t> order = permutation(width, random);
    for (int64_t i = 0; i < kept; ++i) gate[h][order[static_cast<size_t>(i)]] = 0.5 + random.uniform();
  }
  return gate;
}

}  // namespace vitrim::test
