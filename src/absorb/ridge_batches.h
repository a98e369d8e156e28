#pragma once
// A ridge fit whose rows are added batch by batch on all cores.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "vitrim/absorb/ridge.h"
#include "vitrim/distributed/group.h"
#include "vitrim/model/batches.h"

namespace vitrim::absorb {

/// Calls `add(fit, begin, end)` for every batch of 0..n-1; each rank takes a share of the batches. Each
/// worker fills its own fit. The fits are merged in worker and rank order, so the result does not depend on
/// timing. No batch crosses a multiple of `batch_size`, so random draws for begin / batch_size are the same
/// for any number of workers and ranks.
inline RidgeFit ridge_over_batches(
    int64_t inputs, int64_t outputs, int64_t n, int64_t batch_size, distributed::Group& group,
    const std::function<void(RidgeFit& fit, int64_t begin, int64_t end)>& add) {
  const distributed::Share share = group.share(n);
  std::vector<RidgeFit> fits;
  for (int w = 0; w < model::num_workers(); ++w) fits.emplace_back(inputs, outputs);
  model::for_each_batch(share.size(), batch_size, [&](int worker, int64_t first, int64_t last) {
    for (int64_t begin = share.begin + first, end = 0; begin < share.begin + last; begin = end) {
      end = std::min(share.begin + last, (begin / batch_size + 1) * batch_size);
      add(fits[static_cast<size_t>(worker)], begin, end);
    }
  });
  for (size_t w = 1; w < fits.size(); ++w) fits.front().merge(fits[w]);
  fits.front().merge_ranks(group);
  return fits.front();
}

}  // namespace vitrim::absorb
