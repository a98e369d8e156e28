#include "vitrim/absorb/ridge.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "vitrim/core/error.h"

namespace vitrim::absorb {
namespace {

constexpr int64_t kRows = 400, kInputs = 12, kOutputs = 5;

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

struct Problem {
  at::Tensor hidden = normal({kRows, kInputs}, 1) + 0.5, target = normal({kRows, kOutputs}, 2) + 1;
  at::Tensor weight = normal({kRows}, 3).abs() + 0.1;
  at::Tensor weight0 = normal({kOutputs, kInputs}, 4), bias0 = normal({kOutputs}, 5);

  RidgeFit::Solution solve(double strength, int64_t chunk = 150) const {
    RidgeFit fit(kInputs, kOutputs);
    for (int64_t begin = 0; begin < kRows; begin += chunk) {
      const int64_t end = std::min(begin + chunk, kRows);
      fit.add(hidden.slice(0, begin, end), target.slice(0, begin, end), weight.slice(0, begin, end));
    }
    return fit.solve(weight0, bias0, strength);
  }

  // argmin sum_t w_t |h_t W - y_t|^2 + a |W - W0|^2 as one least-squares problem in float64: rows scaled by
  // sqrt(w), and sqrt(a) times the identity below.
  at::Tensor direct(double strength) const {
    const at::Tensor h = at::cat({hidden, at::ones({kRows, 1})}, 1).to(at::kDouble),
                     root = weight.to(at::kDouble).sqrt().unsqueeze(1);
    const double a = strength * ((h * root).square().sum(0).mean().item<double>());
    const at::Tensor start = at::cat({weight0.t(), bias0.unsqueeze(0)}, 0).to(at::kDouble);
    const at::Tensor left = at::cat({h * root, at::eye(kInputs + 1, at::kDouble) * std::sqrt(a)}, 0);
    const at::Tensor right = at::cat({target.to(at::kDouble) * root, start * std::sqrt(a)}, 0);
    return std::get<0>(at::linalg_lstsq(left, right));
  }
};

double distance(const RidgeFit::Solution& solution, const at::Tensor& direct) {
  const at::Tensor joined = at::cat({solution.weight.t(), solution.bias.unsqueeze(0)}, 0).to(at::kDouble);
  return (joined - direct).abs().max().item<double>();
}

TEST(RidgeFit, IsTheLeastSquaresSolution) {
  // Products are float32 sums of up to 150 rows: sqrt(150) * 2^-24 relative in the Gram matrix, enlarged by
  // its condition of some 10, values of order 1.
  for (double strength : {0.0, 1e-9, 0.01, 1.0, 30.0})
    EXPECT_LT(distance(Problem().solve(strength), Problem().direct(strength)), 2e-5) << strength;
}

TEST(RidgeFit, HugeStrengthLeavesTheStart) {
  Problem problem;
  problem.weight0 = problem.weight0.sign() * (problem.weight0.abs() + 0.5);
  problem.bias0 = problem.bias0.sign() * (problem.bias0.abs() + 0.5);
  const RidgeFit::Solution solution = problem.solve(1e12);
  EXPECT_TRUE(at::equal(solution.weight, problem.weight0));
  EXPECT_TRUE(at::equal(solution.bias, problem.bias0));
}

TEST(RidgeFit, AWeightIsARepeatedRow) {
  Problem once;
  once.weight = at::tensor(std::vector<int64_t>{1, 2, 3, 4}, at::kLong).repeat({kRows / 4}).to(at::kFloat);
  RidgeFit repeated(kInputs, kOutputs);
  const at::Tensor times = once.weight.to(at::kLong);
  const at::Tensor h = at::repeat_interleave(once.hidden, times, 0),
                   y = at::repeat_interleave(once.target, times, 0);
  repeated.add(h, y, at::ones({h.size(0)}));
  const RidgeFit::Solution a = once.solve(0.1), b = repeated.solve(once.weight0, once.bias0, 0.1);
  EXPECT_LT((a.weight - b.weight).abs().max().item<double>(), 2e-5);
  EXPECT_LT((a.bias - b.bias).abs().max().item<double>(), 2e-5);
}

TEST(RidgeFit, RowsOfNoWeightDoNotCount) {
  Problem problem;
  problem.weight.slice(0, 0, 200).fill_(0);
  const RidgeFit::Solution before = problem.solve(0.1);
  problem.target.slice(0, 0, 200).fill_(1e6);
  EXPECT_TRUE(at::equal(problem.solve(0.1).weight, before.weight));
}

TEST(RidgeFit, MergingIsAddingBoth) {
  const Problem p;
  RidgeFit first(kInputs, kOutputs), second(kInputs, kOutputs);
  first.add(p.hidden.slice(0, 0, 150), p.target.slice(0, 0, 150), p.weight.slice(0, 0, 150));
  second.add(p.hidden.slice(0, 150), p.target.slice(0, 150), p.weight.slice(0, 150));
  first.merge(second);
  EXPECT_LT(distance(first.solve(p.weight0, p.bias0, 0.1), p.direct(0.1)), 2e-5);
}

TEST(RidgeFit, RefusesWhatCannotBeSolved) {
  Problem problem;
  problem.hidden[3][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(problem.solve(0.1), Error);
}

}  // namespace
}  // namespace vitrim::absorb
