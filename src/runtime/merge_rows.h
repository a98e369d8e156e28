#pragma once
// Token merging on the rows of one image, without allocation; model/merged_tokens.h describes what it
// computes.

#include <vector>

#include "runtime/kernels.h"
#include "runtime/memory.h"

namespace vitrim::runtime {

class RowMerger {
 public:
  RowMerger() = default;
  /// For at most `tokens` rows of `width` floats, which are compared by metrics of at most `depth` values.
  RowMerger(int64_t tokens, int64_t width, int64_t depth);

  /// Resets to the unmerged state: every row represents one token.
  void reset(int64_t tokens);
  /// Merges `count` pairs of the first `tokens` rows of x by `metric` [tokens, depth], which is normalised to
  /// unit length in place; the result is written to `out`.
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
