#pragma once
// Batches spread over the cores. Small models spend more time waiting between their many small parallel
// operations than inside them, so each core runs whole batches by itself.

#include <cstdint>
#include <functional>

namespace vitrim::model {

/// Workers that for_each_batch uses: LibTorch's thread count.
int num_workers();

/// Calls `work(worker, begin, end)` for every range of at most `batch_size` of 0..n-1. Each worker takes one
/// contiguous share and walks it in order with LibTorch single-threaded inside, so results that are kept per
/// worker and merged in worker order do not depend on timing. Grad mode is the caller's. The first exception
/// is rethrown after all workers stopped.
void for_each_batch(int64_t n, int64_t batch_size,
                    const std::function<void(int worker, int64_t begin, int64_t end)>& work);

}  // namespace vitrim::model
