#include "vitrim/distributed/group.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "distributed/group_impl.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::distributed {
namespace {

// The first sentence of LibTorch's message, without the place in its sources that Gloo puts in front.
std::string reason(const std::string& what) {
  std::string line = what.substr(0, what.find('\n'));
  line = line.substr(0, line.find(". "));
  if (const size_t close = line.find("] "); line.rfind("[/", 0) == 0 || line.rfind("[..", 0) == 0) {
    if (close != std::string::npos) line = line.substr(close + 2);
  }
  while (!line.empty() && (line.back() == '.' || line.back() == ' ')) line.pop_back();
  return line;
}

// A rank that gave no sign of life.
struct Lost : std::exception {
  explicit Lost(int r) : rank(r) {}
  int rank;
};

void check_tensor(const char* where, const at::Tensor& tensor) {
  if (tensor.defined() && tensor.is_contiguous()) return;
  throw std::invalid_argument(std::string("[distributed::") + where + "] the tensor must be contiguous");
}

at::Tensor bytes_to_tensor(const std::string& bytes, int64_t length) {
  at::Tensor tensor = at::zeros({length}, at::kByte);
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(tensor.mutable_data_ptr<uint8_t>()));
  return tensor;
}

}  // namespace

Group::Impl::~Impl() {
  watch.reset();
  // Gloo's destructor would wait for the lost rank, so the group is leaked. The process is about to exit,
  // which closes its connections.
  if (!failed) return;
  // A permanent reference, so that leak checkers do not report it.
  static auto& abandoned = *std::make_unique<std::vector<c10::intrusive_ptr<c10d::ProcessGroup>>>().release();
  abandoned.push_back(std::move(group));
}

void Group::Impl::wait(c10d::Work& work, bool watched) {
  while (watched && !work.isCompleted()) {
    try {
      work.wait(std::chrono::milliseconds(500));
    } catch (const std::exception&) {
      // Most likely the half second is over; other errors are thrown below.
    }
    if (work.isCompleted()) break;
    const std::optional<int> lost = watch->lost_rank();
    failed = true;
    check_cancelled();
    if (lost) throw Lost(*lost);
    failed = false;
  }
  work.wait();
}

Group::Group() : Group(std::make_unique<Impl>()) {}
Group::Group(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Group::~Group() = default;

int Group::rank() const { return impl_->rendezvous.rank; }
int Group::size() const { return impl_->rendezvous.size; }
int Group::local_rank() const { return impl_->rendezvous.local_rank; }

void Group::checked(const std::string& doing, const std::function<void()>& work) const {
  const std::string me = "rank " + std::to_string(rank()) + " of " + std::to_string(size()) + ": ";
  const auto lost_contact = [&](const std::exception& error) {
    check_cancelled();  // the other ranks were most likely stopped by the same Ctrl-C
    const std::string other = size() == 2 ? "rank " + std::to_string(1 - rank()) : "another rank";
    return Error(me + other + " stopped answering while " + doing + " (" + reason(error.what()) +
                 "); see its own message, if any, for the reason");
  };
  try {
    work();
  } catch (const Lost& lost) {
    throw Error(me + "rank " + std::to_string(lost.rank) + " did not respond while " + doing +
                "; its process hangs, or its machine or the network is down");
  } catch (const c10::DistError& error) {
    throw lost_contact(error);
  } catch (const c10::Error&) {  // LibTorch's errors about anything else
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::runtime_error& error) {  // Gloo's own
    throw lost_contact(error);
  }
}

void Group::barrier() {
  if (size() == 1) return;
  checked("waiting for all ranks", [&] {
    c10d::BarrierOptions options;
    options.timeout = kNoLimit;
    impl_->wait(*impl_->group->getBackend(at::kCPU)->barrier(options));
  });
}

void Group::all_reduce(at::Tensor tensor) {
  check_tensor("all_reduce", tensor);
  if (size() == 1 || tensor.numel() == 0) return;
  if (!tensor.is_cpu()) barrier();  // NCCL's own wait has a time limit
  checked("adding up results", [&] {
    std::vector<at::Tensor> tensors{tensor};
    c10d::AllreduceOptions options;
    if (tensor.is_cpu()) options.timeout = kNoLimit;
    impl_->wait(*impl_->group->getBackend(tensor.device().type())->allreduce(tensors, options),
                tensor.is_cpu());
  });
}

void Group::all_reduce(const std::vector<at::Tensor>& tensors) {
  if (size() == 1) return;
  std::map<at::ScalarType, std::vector<at::Tensor>> by_dtype;
  for (const at::Tensor& tensor : tensors) by_dtype[tensor.scalar_type()].push_back(tensor);
  const at::NoGradGuard no_grad;
  for (const auto& [dtype, same] : by_dtype) {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& tensor : same) flat.push_back(tensor.reshape({-1}));
    const at::Tensor message = at::cat(flat);
    all_reduce(message);
    int64_t begin = 0;
    for (const at::Tensor& tensor : same) {
      tensor.copy_(message.narrow(0, begin, tensor.numel()).view(tensor.sizes()));
      begin += tensor.numel();
    }
  }
}

void Group::broadcast(at::Tensor tensor, int root) {
  check_tensor("broadcast", tensor);
  if (root < 0 || root >= size()) {
    throw std::invalid_argument("[distributed::broadcast] there is no rank " + std::to_string(root) +
                                " among " + std::to_string(size()));
  }
  if (size() == 1 || tensor.numel() == 0) return;
  if (!tensor.is_cpu()) barrier();
  checked("distributing data", [&] {
    std::vector<at::Tensor> tensors{tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    if (tensor.is_cpu()) options.timeout = kNoLimit;
    impl_->wait(*impl_->group->getBackend(tensor.device().type())->broadcast(tensors, options),
                tensor.is_cpu());
  });
}

std::vector<std::string> Group::all_gather(const std::string& bytes) {
  if (size() == 1) return {bytes};
  const auto ranks = static_cast<size_t>(size());
  at::Tensor lengths = at::zeros({size()}, at::kLong);
  lengths[rank()] = static_cast<int64_t>(bytes.size());
  all_reduce(lengths);
  const int64_t longest = lengths.max().item<int64_t>();
  std::vector<std::string> all(ranks);
  if (longest == 0) return all;
  std::vector<std::vector<at::Tensor>> received(1);
  for (size_t i = 0; i < ranks; ++i) received[0].push_back(at::empty({longest}, at::kByte));
  checked("collecting results", [&] {
    std::vector<at::Tensor> mine{bytes_to_tensor(bytes, longest)};
    c10d::AllgatherOptions options;
    options.timeout = kNoLimit;
    impl_->wait(*impl_->group->getBackend(at::kCPU)->allgather(received, mine, options));
  });
  for (size_t i = 0; i < ranks; ++i) {
    const auto length = static_cast<size_t>(lengths[static_cast<int64_t>(i)].item<int64_t>());
    all[i].assign(reinterpret_cast<const char*>(received[0][i].const_data_ptr<uint8_t>()), length);
  }
  return all;
}

void Group::gather_rows(at::Tensor tensor) {
  check_tensor("gather_rows", tensor);
  if (size() == 1 || tensor.numel() == 0) return;
  if (!tensor.is_cpu()) barrier();
  checked("collecting results", [&] {
    const auto backend = impl_->group->getBackend(tensor.device().type());
    std::vector<c10::intrusive_ptr<c10d::Work>> sent;  // all at once, because the shares are different memory
    for (int root = 0; root < size(); ++root) {
      const Share part = share(tensor.size(0), root);
      if (part.size() == 0) continue;
      std::vector<at::Tensor> rows{tensor.narrow(0, part.begin, part.size())};
      c10d::BroadcastOptions options;
      options.rootRank = root;
      if (tensor.is_cpu()) options.timeout = kNoLimit;
      sent.push_back(backend->broadcast(rows, options));
    }
    for (const auto& work : sent) impl_->wait(*work, tensor.is_cpu());
  });
}

Group& or_alone(Group* group) {
  static Group alone;
  return group != nullptr ? *group : alone;
}

Share Group::share(int64_t n, int rank) const { return {n * rank / size(), n * (rank + 1) / size()}; }

}  // namespace vitrim::distributed
