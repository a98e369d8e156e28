#include "vitrim/distributed/gradient_reducer.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "distributed/group_impl.h"

namespace vitrim::distributed {
namespace {

// The gradients of the last layers are ready first, so buckets are filled from the end of the list. The first
// bucket is small, so that communication starts early.
std::vector<std::vector<size_t>> assign_buckets(const std::vector<at::Tensor>& parameters,
                                                int64_t first_bytes, int64_t bucket_bytes) {
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(
      parameters, {static_cast<size_t>(first_bytes), static_cast<size_t>(bucket_bytes)}));
  std::reverse(buckets.begin(), buckets.end());
  return buckets;
}

}  // namespace

struct GradientReducer::Impl {
  std::shared_ptr<Group> group;
  std::optional<c10d::Reducer> reducer;  ///< none in a group of one
};

GradientReducer::GradientReducer(std::vector<at::Tensor> parameters, std::shared_ptr<Group> group,
                                 int64_t bucket_bytes)
    : impl_(std::make_unique<Impl>()) {
  if (parameters.empty() || bucket_bytes < 1) {
    throw std::invalid_argument(
        "[distributed::GradientReducer] parameters must not be empty, and a bucket takes at least a byte");
  }
  for (const at::Tensor& parameter : parameters) {
    if (!parameter.requires_grad() || !parameter.is_leaf()) {
      throw std::invalid_argument(
          "[distributed::GradientReducer] every parameter must be a leaf that requires its gradient");
    }
  }
  impl_->group = std::move(group);
  if (impl_->group->size() == 1) return;
  const int64_t first_bytes = std::min<int64_t>(bucket_bytes, c10d::kDefaultFirstBucketBytes);
  const auto buckets = assign_buckets(parameters, first_bytes, bucket_bytes);
  const std::vector<bool> sparse(parameters.size(), false);
  impl_->group->checked("comparing parameters", [&] {
    c10d::verify_params_across_processes(impl_->group->impl().group, parameters, {});
    impl_->reducer.emplace(std::move(parameters), buckets, impl_->group->impl().group, sparse, bucket_bytes,
                           /*find_unused_parameters=*/true, /*gradient_as_bucket_view=*/false,
                           std::unordered_map<size_t, std::string>{}, first_bytes,
                           /*skip_all_reduce_unused_params=*/false,
                           /*use_python_reducer=*/false, std::vector<int64_t>{});
  });
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::prepare(const std::vector<at::Tensor>& outputs) {
  if (!impl_->reducer) return;
  // The Reducer's own waits have a time limit, so the ranks start together: their work between two steps may
  // take any time.
  impl_->group->barrier();
  impl_->group->checked("averaging gradients", [&] { impl_->reducer->prepare_for_backward(outputs); });
}

void GradientReducer::backward(const at::Tensor& loss, bool reduce) {
  if (!impl_->reducer) {
    loss.backward();
    return;
  }
  if (reduce) prepare({loss});
  impl_->group->checked("averaging gradients", [&] { loss.backward(); });
}

}  // namespace vitrim::distributed
