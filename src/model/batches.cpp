#include "vitrim/model/batches.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <omp.h>

#include <algorithm>

namespace vitrim::model {

int num_workers() { return std::max(1, at::get_num_threads()); }

void for_each_batch(int64_t n, int64_t batch_size, const std::function<void(int, int64_t, int64_t)>& work) {
  if (n <= 0) return;
  const int64_t workers = std::min<int64_t>(num_workers(), n);
  const bool grad = at::GradMode::is_enabled();
  // Parallel regions do not nest, so inside this one LibTorch, oneDNN and MKL stay on their worker's core.
  at::parallel_for(0, workers, 1, [&](int64_t first_worker, int64_t last_worker) {
    const at::AutoGradMode mode(grad);
    // oneDNN plans for the number of threads that its own region would have outside of this one, and the
    // weight gradients of its convolutions then wait for threads that never come. The setting applies to this
    // region only.
    if (omp_in_parallel()) omp_set_num_threads(1);
    for (int64_t w = first_worker; w < last_worker; ++w) {
      const int64_t last = n * (w + 1) / workers;
      for (int64_t begin = n * w / workers; begin < last; begin += batch_size) {
        work(static_cast<int>(w), begin, std::min(last, begin + batch_size));
      }
    }
  });
}

}  // namespace vitrim::model
