#pragma once
// Assembles batches on the CPU's cores while an accelerator computes.

#include <future>

#include "vitrim/train/batch_source.h"

namespace vitrim::train {

/// Rows [begin, end) of a step, assembled by `threads` threads.
Rows assemble(const BatchSource& source, int64_t step, int64_t begin, int64_t end, int threads);

/// Returns rows and prepares the next ones in the background. Only one thread may call it at a time.
class Prefetch {
 public:
  Prefetch(const BatchSource& source, int threads) : source_(source), threads_(threads) {}
  ~Prefetch();
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  struct StepRows {
    int64_t step = 0, begin = 0, end = 0;
    bool operator==(const StepRows&) const = default;
  };
  /// Returns the rows at `now` and starts to prepare those at `next` (next.begin == next.end: this epoch has
  /// no more).
  Rows take(const StepRows& now, const StepRows& next);

 private:
  const BatchSource& source_;
  int threads_;
  StepRows begun_;
  std::future<Rows> ready_;
};

}  // namespace vitrim::train
