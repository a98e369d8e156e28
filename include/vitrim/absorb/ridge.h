#pragma once
// Closed-form refit of fc2: min_W sum_t w_t || h_t W - target_t ||^2 + a || W - W_0 ||^2, h = [hidden, 1].

#include <ATen/core/Tensor.h>

namespace vitrim::distributed {
class Group;
}

namespace vitrim::absorb {

/// Normal equations of a weighted ridge regression. Products are float32 per call and summed in float64.
class RidgeFit {
 public:
  /// For `inputs` hidden units (a bias column is added) and `outputs` targets.
  RidgeFit(int64_t inputs, int64_t outputs);
  /// Adds n rows: hidden [n, inputs], target [n, outputs], weight [n], not negative.
  void add(const at::Tensor& hidden, const at::Tensor& target, const at::Tensor& weight);
  /// Adds the rows of another fit.
  void merge(const RidgeFit& other);
  /// Adds the rows of all other ranks; afterwards every rank holds the same sums.
  void merge_ranks(distributed::Group& group);
  /// Solves the regression and returns weight and bias in fc2's layout. `weight0` [outputs, inputs] and
  /// `bias0` [outputs] are W_0, towards which the penalty pulls with `strength` (relative to the mean
  /// diagonal of the Gram matrix). Throws vitrim::Error if the system can't be solved (for example because
  /// inputs are not finite). Cost: inputs^3 / 3 MACs in float64.
  struct Solution {
    at::Tensor weight, bias;  ///< float32
  };
  Solution solve(const at::Tensor& weight0, const at::Tensor& bias0, double strength) const;

 private:
  at::Tensor gram_, cross_;
};

}  // namespace vitrim::absorb
