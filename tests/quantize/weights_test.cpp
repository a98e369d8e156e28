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

TEST(QuantizeWeight, FourBitsInGroups) {
  // The last group is shorter than the others; rows of zeros, of small numbers, and with an outlier.
  at::Tensor weight = at::randn({40, 200}, at::detail::createCPUGenerator(6));
  weight[1].zero_();
  weight[2] *= 1e-6;
  weight[3].fill_(1e-44);
  weight[4][100] = 30;
  const QuantizedWeight found = quantize_weight_int4(weight);
  EXPECT_LE(found.values.abs().max().item<int>(), 127);
  EXPECT_TRUE((found.scale > 0).all().item<bool>());
  EXPECT_EQ(found.values[1].abs().max().item<int>() + found.values[3].abs().max().item<int>(), 0);
  // One scale a row has steps of a row's largest; a scale of every group's own, max / 7, is what the factors
  // stand for, in steps of a twelfth or so: a relative error of up to 1 / 24 in a step adds its square's
  // share of what the largest weights of a group take, a few per cent.
  const auto error_with = [&](const at::Tensor& values, const at::Tensor& step) {
    const at::Tensor made = at::where(step > 0, (values / step).round() * step, at::zeros_like(values));
    return (made - values).square().reshape({40, -1}).sum(1);
  };
  const at::Tensor groups = at::constant_pad_nd(weight, {0, 24}).reshape({40, 7, 32});
  const at::Tensor of_row = error_with(weight, weight.abs().amax(1, true) / 7),
                   of_group = error_with(groups, groups.abs().amax(2, true) / 7),
                   own = (dequantized(found) - weight).square().sum(1);
  for (const int64_t r : {0, 2, 5, 39}) EXPECT_LT(own[r].item<double>(), 0.7 * of_row[r].item<double>()) << r;
  EXPECT_LT(own[4].item<double>(), 0.2 * of_row[4].item<double>());
  EXPECT_LT(own.sum().item<double>(), 1.06 * of_group.sum().item<double>());
  weight[2][0] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(quantize_weight_int4(weight), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::quantize
