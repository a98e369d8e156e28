#include "vitrim/analysis/spectrum.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "model/small_models.h"

namespace vitrim::analysis {
namespace {

// cos(2 pi (fy y / H + fx x / W)) in both channels of one image.
at::Tensor wave(int64_t height, int64_t width, int64_t fy, int64_t fx) {
  const at::Tensor y =
      at::arange(height, at::kDouble).unsqueeze(1) * (static_cast<double>(fy) / static_cast<double>(height));
  const at::Tensor x =
      at::arange(width, at::kDouble).unsqueeze(0) * (static_cast<double>(fx) / static_cast<double>(width));
  return (2 * std::numbers::pi * (y + x))
      .cos()
      .to(at::kFloat)
      .reshape({1, height, width, 1})
      .expand({1, height, width, 2});
}

TEST(Spectrum, AWaveStandsAtItsRadius) {
  // On 20 x 20 the rings are exactly at the eleven radii. A wave of frequency k has amplitude 400 / 2 in two
  // of the ring's 8 k bins (39 at the rim, where the two are one of 400).
  for (const auto& [fy, fx, radius] :
       std::vector<std::array<int64_t, 3>>{{3, 0, 3}, {0, 5, 5}, {2, 7, 7}, {6, 1, 6}}) {
    const at::Tensor amplitude = radial_amplitude(wave(20, 20, fy, fx));
    ASSERT_EQ(amplitude.size(0), kSpectrumRadii);
    for (int64_t r = 0; r < kSpectrumRadii; ++r) {
      const double expected = r == radius ? 2 * 200.0 / static_cast<double>(8 * radius) : 0;
      // float32 FFT of 400 values: 400 * 2^-24 * log2(400) = 2e-4.
      EXPECT_NEAR(amplitude[r].item<double>(), expected, 2e-4) << fy << ' ' << fx << ' ' << r;
    }
  }
  EXPECT_NEAR(radial_amplitude(wave(20, 20, 10, 0))[10].item<double>(), 400.0 / 39, 2e-4);
}

TEST(Spectrum, AnImpulseIsFlatOnAnyGrid) {
  // All bins of an impulse have amplitude 1, so every radius has, whatever rings the grid has.
  for (const auto& [height, width] :
       std::vector<std::array<int64_t, 2>>{{14, 14}, {7, 7}, {7, 5}, {3, 16}, {1, 9}, {1, 1}, {2, 2}}) {
    at::Tensor map = at::zeros({2, height, width, 3});
    map.select(1, 0).select(1, 0).fill_(1);
    EXPECT_TRUE(at::allclose(radial_amplitude(map), at::ones({kSpectrumRadii}, at::kDouble), 0, 1e-5))
        << height << ' ' << width;
  }
}

TEST(Spectrum, BetweenRingsIsInterpolated) {
  // 7 x 7 has rings at 0, 2/7, 4/7 and 6/7. A wave at 4/7 fills radius r in proportion to its nearness.
  const at::Tensor amplitude = radial_amplitude(wave(7, 7, 2, 0));
  const double peak = 2 * 24.5 / 16;
  for (int64_t r = 0; r < kSpectrumRadii; ++r) {
    const double near = std::max(0.0, 1 - std::abs(0.1 * static_cast<double>(r) - 4.0 / 7) / (2.0 / 7));
    EXPECT_NEAR(amplitude[r].item<double>(), peak * near, 1e-4) << r;
  }
}

TEST(Spectrum, AConstantMapIsAllAtZero) {
  const at::Tensor amplitude = radial_amplitude(at::full({1, 9, 9, 2}, 3.0));
  EXPECT_NEAR(amplitude[0].item<double>(), 3 * 81, 1e-3);
  // Radius 0.1 lies between the rings 0 and 2/9; from 0.3 on nothing is left.
  for (int64_t r = 3; r < kSpectrumRadii; ++r) EXPECT_LT(amplitude[r].item<double>(), 1e-3);
  EXPECT_THROW(radial_amplitude(at::ones({2, 3, 4})), std::invalid_argument);
}

TEST(Spectrum, AccumulatorAveragesImagesAndLeavesPrefixTokensOut) {
  ModelSpec spec = test::variant("registers", 2);
  SpectrumAccumulator accumulator(spec);
  const at::Tensor map = at::randn({3, 4, 4, 32}, at::detail::createCPUGenerator(1));
  at::Tensor stream = at::full({3, spec.num_tokens(), 32}, 1e6);
  stream.slice(1, spec.prefix_tokens()).copy_(map.flatten(1, 2));
  accumulator.add(0, stream.slice(0, 0, 2));
  accumulator.add(0, stream.slice(0, 2, 3));
  accumulator.add(1, at::ones_like(stream));
  const Spectrum spectrum = accumulator.result();
  ASSERT_EQ(spectrum.log_amplitude.size(), 2u);
  const at::Tensor expected = radial_amplitude(map).log();
  for (int64_t r = 0; r < kSpectrumRadii; ++r) {
    EXPECT_NEAR(spectrum.radii[r], 0.1 * static_cast<double>(r), 1e-12);
    EXPECT_NEAR(spectrum.log_amplitude[0][r], (expected[r] - expected[0]).item<double>(), 1e-5);
    EXPECT_TRUE(std::isfinite(spectrum.log_amplitude[1][r]));
  }
  EXPECT_EQ(spectrum.log_amplitude[0][0], 0);
  EXPECT_LT(spectrum.log_amplitude[1][10], -10);
}

}  // namespace
}  // namespace vitrim::analysis
