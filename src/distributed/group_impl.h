#pragma once
// What a Group holds, and the backends it can hold.

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed/environment.h"
#include "vitrim/distributed/group.h"

namespace vitrim::distributed {

struct Group::Impl {
  Place place;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;  ///< null in a group of one
};

struct BackendOptions {
  c10::intrusive_ptr<c10d::Store> store;
  Place place;
  std::chrono::milliseconds timeout{};
};

/// Gloo, for CPU tensors. Throws vitrim::Error where this build has none.
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const BackendOptions& options);
/// NCCL, for the CUDA tensors of GPU `local_rank`. Throws vitrim::Error where this build has none.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const BackendOptions& options);

}  // namespace vitrim::distributed
