#include "vitrim/absorb/ridge.h"

#include <ATen/ATen.h>
#include <ATen/ops/linalg_cholesky_ex.h>

#include "vitrim/core/error.h"
#include "vitrim/distributed/group.h"

namespace vitrim::absorb {

RidgeFit::RidgeFit(int64_t inputs, int64_t outputs)
    : gram_(at::zeros({inputs + 1, inputs + 1}, at::kDouble)),
      cross_(at::zeros({inputs + 1, outputs}, at::kDouble)) {}

void RidgeFit::add(const at::Tensor& hidden, const at::Tensor& target, const at::Tensor& weight) {
  const at::Tensor h = at::cat({hidden.to(at::kFloat), at::ones({hidden.size(0), 1})}, 1);
  const at::Tensor weighted = (h * weight.to(at::kFloat).unsqueeze(1)).t();
  gram_ += weighted.mm(h);
  cross_ += weighted.mm(target.to(at::kFloat));
}

void RidgeFit::merge(const RidgeFit& other) {
  gram_ += other.gram_;
  cross_ += other.cross_;
}

void RidgeFit::merge_ranks(distributed::Group& group) {
  group.all_reduce(gram_);
  group.all_reduce(cross_);
}

RidgeFit::Solution RidgeFit::solve(const at::Tensor& weight0, const at::Tensor& bias0,
                                   double strength) const {
  const at::Tensor start = at::cat({weight0.t(), bias0.unsqueeze(0)}, 0).to(at::kDouble);
  const at::Tensor mean_diagonal = gram_.diagonal().mean();
  const at::Tensor ridge = at::eye(gram_.size(0), at::kDouble) * (mean_diagonal * strength);
  // Solves for the difference from W_0, so that a large `strength` leaves W_0 unchanged to the last bit.
  const auto [factor, info] = at::linalg_cholesky_ex(gram_ + ridge);
  if (info.item<int>() != 0) {
    throw Error(
        "[absorb::ridge] the normal equations can't be solved; use more calibration images or a larger ridge "
        "strength");
  }
  const at::Tensor change = at::cholesky_solve(cross_ - gram_.mm(start), factor);
  const at::Tensor solution = (start + change).to(at::kFloat);
  const int64_t inputs = solution.size(0) - 1;
  return {solution.slice(0, 0, inputs).t().contiguous(), solution[inputs].contiguous()};
}

}  // namespace vitrim::absorb
