#pragma once
// Token merging on one image's rows (model/merged_tokens.h says what it computes), without allocating.

#include <vector>

#include "runtime/kernels.h"
#include "runtime/memory.h"

namespace vitrim::runtime {

class RowMerger {
 public:
  RowMerger() = default;
  /// For at most `tokens` rows of `width` floats, compared by metrics of at most `depth`.
  RowMerger(int64_t tokens, int64_t width, int64_t depth);

  /// Nothing is merged: every row stands for one token.
  void reset(int64_t tokens);
  /// Merges `count` of the first `tokens` rows of x by `metric` [tokens, depth], which is made unit length on
  /// the way; the result goes to `out`.
  void merge(const KernelSet<float>& kernels, float* x, float* metric, int64_t ldm, int64_t depth,
             int64_t tokens, int64_t prefix, int64_t count, float* out);
  bool any() const { return any_; }
  const float* sizes() const { return sizes_.data(); }
  const float* log_sizes() const { return log_sizes_.data(); }  ///< log2
  int64_t bytes() const;

 private:
  int64_t width_ = 0;
  bool any_ = false;
  Buffer<float> sizes_, log_sizes_, sums_, packed_, scores_, scratch_, best_;
  Buffer<int32_t> partner_, order_;
};

}  // namespace vitrim::runtime
