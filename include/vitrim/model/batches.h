#pragma once
// Distributes batches over the cores. In small models the many small parallel operations cost more in waiting
// than in work, so each core runs whole batches alone.

#include <cstdint>
#include <functional>

namespace vitrim::model {

/// The number of workers that for_each_batch() uses: LibTorch's thread count.
int num_workers();

/// Calls `work(worker, begin, end)` for ranges of at most `batch_size` that cover 0..n-1. Each worker
/// processes one contiguous share in order, with LibTorch single-threaded. Results that are kept per worker
/// and merged in worker order therefore do not depend on timing. The caller's grad mode applies. The first
/// exception is rethrown after all workers have stopped.
void for_each_batch(int64_t n, int64_t batch_size,
                    const std::function<void(int worker, int64_t begin, int64_t end)>& work);

}  // namespace vitrim::model
