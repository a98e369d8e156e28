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
  /// `inputs` hidden units (the bias column is added), `outputs` targets.
  RidgeFit(int64_t inputs, int64_t outputs);
  /// hidden [n, inputs], target [n, outputs], weight [n] (not negative).
  void add(const at::Tensor& hidden, const at::Tensor& target, const at::Tensor& weight);
  /// Adds another fit's rows.
  void merge(const RidgeFit& other);
  /// Adds the rows of all other ranks: afterwards all hold the same.
  void merge_ranks(distributed::Group& group);
  /// The solution as fc2 takes it. `weight0` [outputs, inputs] and `bias0` [outputs] are the start W_0
  /// towards which `strength` (times the mean diagonal of the Gram matrix) pulls. Throws vitrim::Error where
  /// the system can't be solved (non-finite inputs). Cost: inputs^3 / 3 MACs in float64.
  struct Solution {
    at::Tensor weight, bias;  ///< float32
  };
  Solution solve(const at::Tensor& weight0, const at::Tensor& bias0, double strength) const;

 private:
  at::Tensor gram_, cross_;
};

}  // namespace vitrim::absorb
