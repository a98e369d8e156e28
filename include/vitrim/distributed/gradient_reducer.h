#pragma once
// Averages gradients over ranks while the backward pass still runs.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "vitrim/distributed/group.h"

namespace vitrim::distributed {

/// c10d's Reducer: gradients are gathered into buckets, and a bucket is summed over the ranks as soon as its
/// last gradient is there, overlapped with the rest of the backward pass (Li et al., "PyTorch Distributed",
/// VLDB 2020). Afterwards every parameter's grad() is the mean over ranks of what each would have had alone,
/// bit for bit the same on all ranks. Parameters that no rank's output depends on keep their gradient; those
/// that only some ranks use count as zero on the others. With one rank it does nothing.
///
/// Gradients of several micro-batches are summed locally where prepare() is left out: only the backward pass
/// that follows prepare() talks to the other ranks, and it reduces the sum.
class GradientReducer {
 public:
  /// `parameters` are leaves that require gradients, the same list on every rank. Buckets hold up to
  /// `bucket_bytes`, the first one 1 MiB.
  GradientReducer(std::vector<at::Tensor> parameters, std::shared_ptr<Group> group,
                  int64_t bucket_bytes = 25 << 20);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// Call between forward and backward of the micro-batch whose end reduces. `outputs` are the tensors that
  /// backward starts from (the loss): what they do not depend on is unused.
  void prepare(const std::vector<at::Tensor>& outputs);
  /// prepare({loss}) where `reduce`, then loss.backward(); failures of other ranks become vitrim::Error.
  void backward(const at::Tensor& loss, bool reduce = true);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::distributed
