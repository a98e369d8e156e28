#pragma once
// The processes ("ranks") that run one job together, over c10d of LibTorch: Gloo for CPU tensors, NCCL for
// CUDA tensors.
//
// One process is the no-op case: a Group of size 1 opens no connection, and every collective returns at once.
// So code is written once, for any number of ranks. All ranks must call the same collectives in the same
// order, from one thread at a time.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace vitrim::distributed {

struct Options {
  bool cuda = false;  ///< also join over NCCL, so that CUDA tensors can be reduced; rank r then uses GPU
                      ///< `local_rank()`
  /// How long the start waits for the other ranks, and how long one may give no sign of life later. A rank
  /// that ends is noticed at once, one that is stopped or whose machine is gone after this long; one that is
  /// merely busy is waited for. Within one backward pass (GradientReducer), and for NCCL, it is also the most
  /// that ranks may drift apart.
  int timeout_seconds = 50;
};

/// Part of 0..n-1: [begin, end).
struct Share {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// The ranks that run one job. Throws vitrim::Error, one sentence, where another rank ended or does not
/// answer: the group cannot be used any more then, and the process is meant to end. Where the user asked to
/// stop (core/log.h) that is Interrupted instead.
class Group {
 public:
  /// A group of one.
  Group();
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const;
  int size() const;
  /// Rank 0, which alone writes files and prints.
  bool is_main() const { return rank() == 0; }
  /// Number of this rank among those of its machine.
  int local_rank() const;

  /// Returns when all ranks have called it.
  void barrier();
  /// `tensor` becomes the sum over ranks; bit for bit the same on every rank. Contiguous, same shape and
  /// dtype on every rank, CPU or (with Options::cuda) CUDA.
  void all_reduce(at::Tensor tensor);
  /// The same for many tensors of one device, in one message per dtype; they need not be contiguous.
  void all_reduce(const std::vector<at::Tensor>& tensors);
  /// `tensor` becomes that of rank `root`; requirements as above.
  void broadcast(at::Tensor tensor, int root = 0);
  /// The bytes of every rank, in rank order; lengths may differ.
  std::vector<std::string> all_gather(const std::string& bytes);
  /// The lists of all ranks, one after the other in rank order. T is plain data without pointers.
  template <typename T>
  std::vector<T> concatenate(const std::vector<T>& mine) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_same_v<T, bool>);
    if (size() == 1) return mine;
    std::vector<T> all;
    for (const std::string& bytes :
         all_gather({reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(T)})) {
      const size_t before = all.size();
      all.resize(before + bytes.size() / sizeof(T));
      if (!bytes.empty()) std::memcpy(all.data() + before, bytes.data(), bytes.size());
    }
    return all;
  }

  /// Every rank has filled the rows [begin, end) of its share() of dim 0; afterwards all rows are everywhere.
  /// Contiguous, same shape and dtype on every rank.
  void gather_rows(at::Tensor tensor);

  /// This rank's contiguous share of n things: sizes differ by at most one, and rank order is index order.
  Share share(int64_t n) const { return share(n, rank()); }
  Share share(int64_t n, int rank) const;

  /// Runs `work`, in which LibTorch talks to the other ranks by itself, and turns what it throws about them
  /// into vitrim::Error. `doing` is for the message ("averaging gradients").
  void checked(const std::string& doing, const std::function<void()>& work) const;

  struct Impl;
  explicit Group(std::unique_ptr<Impl> impl);
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// `group`, or a group of one where it is null: the usual meaning of an options struct's group.
Group& or_alone(Group* group);

/// Joins the job that this process was started in; returns when all ranks have.
///
/// - torchrun's environment (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), which may also be set
/// by hand.
/// - Else a step of Slurm's srun: SLURM_PROCID, SLURM_STEP_NUM_TASKS (or SLURM_NTASKS), SLURM_LOCALID; rank 0
/// is on the first host of
///   SLURM_STEP_NODELIST (or SLURM_JOB_NODELIST), its port comes from SLURM_JOB_ID; MASTER_ADDR and
///   MASTER_PORT override both. The Slurm variables of an allocation without a step (inside salloc or a batch
///   script, where SLURM_STEP_ID is missing or Slurm's own) and steps of one task count as one process.
/// - Else a group of one.
///
/// Where MASTER_ADDR is this machine's loopback, only the loopback is used; otherwise the interface that
/// GLOO_SOCKET_IFNAME names, or that of the host's name. Throws vitrim::Error where variables are missing or
/// contradict one another, ranks do not appear within the timeout, or this build has no Gloo or NCCL.
std::shared_ptr<Group> start(const Options& options = {});

}  // namespace vitrim::distributed
