#pragma once
// A ridge fit whose rows come batch by batch from all cores.

#include <cstdint>
#include <functional>
#include <vector>

#include "vitrim/absorb/ridge.h"
#include "vitrim/model/batches.h"

namespace vitrim::absorb {

/// Calls `add(fit, begin, end)` for every batch of 0..n-1. Each worker fills a fit of its own; they are merged in worker order, so the result does
/// not depend on timing.
inline RidgeFit ridge_over_batches(int64_t inputs, int64_t outputs, int64_t n, int64_t batch_size,
                                   const std::function<void(RidgeFit& fit, int64_t begin, int64_t end)>& add) {
  std::vector<RidgeFit> fits;
  for (int w = 0; w < model::num_workers(); ++w) fits.emplace_back(inputs, outputs);
  model::for_each_batch(n, batch_size, [&](int worker, int64_t begin, int64_t end) { add(fits[static_cast<size_t>(worker)], begin, end); });
  for (size_t w = 1; w < fits.size(); ++w) fits.front().merge(fits[w]);
  return fits.front();
}

}  // namespace vitrim::absorb
