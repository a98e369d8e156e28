#pragma once
// A group of processes ("ranks") that run one job together, on LibTorch's c10d: Gloo for CPU tensors, NCCL
// for CUDA tensors.
//
// A Group of size 1 opens no connection, and all its collectives return at once, so the same code runs on any
// number of ranks. All ranks must call the same collectives in the same order, from one thread at a time.

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
  bool cuda = false;  ///< also connect over NCCL, so that CUDA tensors can be reduced; rank r then uses GPU
                      ///< `local_rank()`
  /// How long the start waits for the other ranks, and how long a rank may later give no sign of life. A rank
  /// that exits is noticed at once; a rank that is stopped, or whose machine is gone, after this time. A rank
  /// that is only busy is waited for. Within one backward pass (GradientReducer) and with NCCL, ranks may
  /// also drift apart by at most this time.
  int timeout_seconds = 50;
};

/// A range [begin, end) of 0..n-1.
struct Share {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// The ranks that run one job. Functions throw vitrim::Error, with one sentence, if another rank exits or
/// does not answer. The group can't be used any more then, and the process should exit. If the user asked to
/// stop (core/log.h), they throw Interrupted instead.
class Group {
 public:
  /// A group of one.
  Group();
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const;
  int size() const;
  /// Whether this is rank 0, the only rank that writes files and prints.
  bool is_main() const { return rank() == 0; }
  /// Index of this rank among the ranks on its machine.
  int local_rank() const;

  /// Returns when all ranks have called it.
  void barrier();
  /// Replaces `tensor` by its sum over all ranks, bit-identical on every rank. It must be contiguous, have
  /// the same shape and dtype on every rank, and be on the CPU or (with Options::cuda) on a CUDA device.
  void all_reduce(at::Tensor tensor);
  /// The same for many tensors of one device, in one message per dtype; they need not be contiguous.
  void all_reduce(const std::vector<at::Tensor>& tensors);
  /// Replaces `tensor` by that of rank `root`; the requirements are those of all_reduce().
  void broadcast(at::Tensor tensor, int root = 0);
  /// Returns the bytes of every rank, in rank order; lengths may differ.
  std::vector<std::string> all_gather(const std::string& bytes);
  /// Concatenates the lists of all ranks in rank order. T must be plain data without pointers.
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

  /// Gathers rows: before the call every rank has filled the rows [begin, end) of its share() of dimension 0;
  /// afterwards every rank has all rows. The tensor must be contiguous and have the same shape and dtype on
  /// every rank.
  void gather_rows(at::Tensor tensor);

  /// This rank's contiguous share of n items. Shares differ in size by at most one, and rank order is index
  /// order.
  Share share(int64_t n) const { return share(n, rank()); }
  Share share(int64_t n, int rank) const;

  /// Runs `work`, in which LibTorch itself communicates with other ranks, and converts exceptions about them
  /// to vitrim::Error. `doing` is for the message ("averaging gradients").
  void checked(const std::string& doing, const std::function<void()>& work) const;

  struct Impl;
  explicit Group(std::unique_ptr<Impl> impl);
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// `group`, or a group of one process if it is null: the usual meaning of `group` in an options struct.
Group& or_alone(Group* group);

/// Joins the job that this process was started in; returns when all ranks have joined. The job is found in
/// this order:
///
/// - torchrun's environment (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), which the user may also
///   set.
/// - A step of Slurm's srun: SLURM_PROCID, SLURM_STEP_NUM_TASKS (or SLURM_NTASKS), SLURM_LOCALID. Rank 0 is
/// on
///   the first host of SLURM_STEP_NODELIST (or SLURM_JOB_NODELIST), and its port is derived from
///   SLURM_JOB_ID; MASTER_ADDR and MASTER_PORT override both. An allocation without a step (inside salloc or
///   a batch script, where SLURM_STEP_ID is missing or Slurm's own) and a step of one task count as one
///   process.
/// - Otherwise a group of one process.
///
/// If MASTER_ADDR is this machine's loopback, only the loopback is used; otherwise the interface that
/// GLOO_SOCKET_IFNAME names, or that of the host's name. Throws vitrim::Error if variables are missing or
/// contradict one another, if ranks do not appear within the timeout, or if this build has no Gloo or NCCL.
std::shared_ptr<Group> start(const Options& options = {});

}  // namespace vitrim::distributed
