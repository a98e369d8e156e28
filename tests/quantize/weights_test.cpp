#include "vitrim/quantize/weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

namespace vitrim::quantize {
namespace {

double error_of(const at::Tensor& weight, const QuantizedWeight& quantized) {
  return (dequantized(quantized) - weight).square().sum().item<double>();
}

TEST(QuantizeWeight, NoScaleOfAGridIsBetter) {
  at::Generator generator = at::detail::createCPUGenerator(3);
  at::Tensor weight = at::randn({24, 96}, generator);
  weight[5] *= 1e-6;
  weight[6][3] = 40;  // an outlier
  const QuantizedWeight found = quantize_weight(weight);
  EXPECT_EQ(found.values.scalar_type(), at::kChar);
  EXPECT_LE(found.values.abs().max().item<int>(), 127);
  for (int64_t r = 0; r < weight.size(0); ++r) {
    const at::Tensor row = weight[r];
    const double own = (found.values[r].to(at::kFloat) * found.scale[r] - row).square().sum().item<double>();
    const double largest = row.abs().max().item<double>();
    for (int i = 0; i <= 60; ++i) {
      const double scale = largest / 127 * (0.5 + 0.01 * i);
      const double other =
          ((row / scale).round().clamp(-127, 127) * scale - row).square().sum().item<double>();
      // A finer grid than the search's may be a little better.
      EXPECT_LE(own, other * 1.02 + 1e-20) << "row " << r << " scale " << scale / largest * 127;
    }
  }
}

TEST(QuantizeWeight, BetterThanTheLargestValueAlone) {
  const at::Tensor weight = at::randn({64, 256}, at::detail::createCPUGenerator(4));
  const at::Tensor scale = weight.abs().amax(1, true) / 127;
  EXPECT_LT(error_of(weight, quantize_weight(weight)),
            0.97 * ((weight / scale).round() * scale - weight).square().sum().item<double>());
}

TEST(QuantizeWeight, RowsThatHoldNothing) {
  at::Tensor weight = at::zeros({3, 8});
  weight[1].fill_(1e-45);  // its scale would be zero
  const QuantizedWeight found = quantize_weight(weight);
  EXPECT_TRUE((found.scale > 0).all().item<bool>());
  EXPECT_EQ(found.values.abs().max().item<int>(), 0);
  weight[2][0] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(quantize_weight(weight), std::invalid_argument);
}

TEST(QuantizeWeight, WholeNumbersComeBack) {
  const at::Tensor q = at::randint(-127, 128, {8, 32}, at::detail::createCPUGenerator(5)).to(at::kFloat);
  at::Tensor weight = q.clone();
  weight.select(1, 0).fill_(127);
  EXPECT_LT(error_of(weight * 0.01, quantize_weight(weight * 0.01)), 1e-9);
}

}  // namespace
}  // namespace vitrim::quantize
