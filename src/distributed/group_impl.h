#pragma once
// The members of a Group, and its backends.

#include <c10/util/intrusive_ptr.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "distributed/environment.h"
#include "distributed/watch.h"
#include "vitrim/distributed/group.h"

namespace vitrim::distributed {

struct Group::Impl {
  Rendezvous rendezvous;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;  ///< null in a group of one
  std::unique_ptr<Watch> watch;                  ///< null in a group of one
  bool failed = false;  ///< a collective was abandoned, and may still be waiting in a thread of Gloo

  ~Impl();
  /// Returns when `work` is done, however long that takes. Throws if a rank is lost or the user asked to
  /// stop. Without `watched` (NCCL, which can't be waited for in pieces) the time limit of `work` itself
  /// applies.
  void wait(c10d::Work& work, bool watched = true);
};

/// The time limit of a collective itself; Impl::wait ends those that hang earlier.
inline constexpr std::chrono::milliseconds kNoLimit = std::chrono::hours(24 * 365);

struct BackendOptions {
  c10::intrusive_ptr<c10d::Store> store;
  Rendezvous rendezvous;
  std::chrono::milliseconds timeout{};
};

/// Gloo, for CPU tensors. Throws vitrim::Error if this build has none.
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const BackendOptions& options);
/// NCCL, for the CUDA tensors of GPU `local_rank`. Throws vitrim::Error if this build has none.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const BackendOptions& options);

}  // namespace vitrim::distributed
