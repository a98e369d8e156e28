#pragma once
// Averages gradients over ranks during the backward pass.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "vitrim/distributed/group.h"

namespace vitrim::distributed {

/// c10d's Reducer: gradients are collected in buckets, and a bucket is all-reduced as soon as its last
/// gradient is ready, overlapped with the rest of the backward pass (Li et al., "PyTorch Distributed", VLDB
/// 2020). Afterwards every parameter's grad() is the mean of the gradients of all ranks, bit-identical on all
/// ranks. Parameters that no rank's output depends on keep their gradient; a parameter that only some ranks
/// use counts as zero on the others. With one rank it does nothing.
///
/// Without prepare(), gradients are summed locally, as for all but the last of several micro-batches. Only a
/// backward pass after prepare() communicates with the other ranks; it reduces the sum.
class GradientReducer {
 public:
  /// `parameters` are leaves that require gradients, in the same order on every rank. Buckets hold up to
  /// `bucket_bytes` bytes, the first one 1 MiB.
  GradientReducer(std::vector<at::Tensor> parameters, std::shared_ptr<Group> group,
                  int64_t bucket_bytes = 25 << 20);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// Call it between forward and backward of the micro-batch whose backward reduces. `outputs` are the
  /// tensors that backward starts from (the loss); parameters that they do not depend on count as unused.
  void prepare(const std::vector<at::Tensor>& outputs);
  /// Runs prepare({loss}) if `reduce` is set, then loss.backward(). Throws vitrim::Error if another rank
  /// fails.
  void backward(const at::Tensor& loss, bool reduce = true);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::distributed
