#include "train/prefetch.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace vitrim::train {

Rows assemble(const BatchSource& source, int64_t step, int64_t begin, int64_t end, int threads) {
  const int64_t n = end - begin, parts = std::clamp<int64_t>(threads, 1, std::max<int64_t>(1, n));
  std::vector<std::future<Rows>> shares;
  for (int64_t p = 0; p < parts; ++p) {
    shares.push_back(std::async(
        std::launch::async, [&source, step, from = begin + n * p / parts, to = begin + n * (p + 1) / parts] {
          return source.rows(step, from, to);
        }));
  }
  std::vector<at::Tensor> images, targets, keep;
  for (std::future<Rows>& share : shares) {
    const Rows rows = share.get();
    images.push_back(rows.images);
    targets.push_back(rows.targets);
    if (rows.keep.defined()) keep.push_back(rows.keep);
  }
  return {at::cat(images), at::cat(targets), keep.empty() ? at::Tensor() : at::cat(keep, 2)};
}

Prefetch::~Prefetch() {
  if (ready_.valid()) ready_.wait();  // the background task reads the source
}

Rows Prefetch::take(const StepRows& now, const StepRows& next) {
  Rows rows;
  if (ready_.valid() && begun_ == now) {
    rows = ready_.get();
  } else {
    if (ready_.valid()) ready_.wait();
    rows = assemble(source_, now.step, now.begin, now.end, threads_);
  }
  if (next.begin < next.end) {
    begun_ = next;
    ready_ = std::async(std::launch::async, [this, next] {
      return assemble(source_, next.step, next.begin, next.end, threads_);
    });
  }
  return rows;
}

}  // namespace vitrim::train
