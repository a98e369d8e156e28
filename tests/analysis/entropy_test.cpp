#include "vitrim/analysis/entropy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/small_models.h"
#include "vitrim/analysis/layer_trace.h"

namespace vitrim::analysis {
namespace {

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions(at::kDouble));
}

// Adds features in batches of 7 images.
std::unique_ptr<FeatureEntropy> entropy_of(const at::Tensor& features, Estimator estimator) {
  auto entropy = make_feature_entropy(estimator, features.size(-1), features.size(0));
  for (int64_t begin = 0; begin < features.size(0); begin += 7) {
    entropy->add(features.slice(0, begin, std::min(begin + 7, features.size(0))), begin);
  }
  return entropy;
}

// numpy: np.log(x.std(0, ddof=1)).sum()
double sum_of_log_sigma(const at::Tensor& rows) { return rows.var(0).log().sum().item<double>() / 2; }

TEST(DiagonalEntropy, IsTheSumOfLogSigma) {
  const at::Tensor tokens = normal({30, 5, 6}, 1) * normal({6}, 2).exp() + normal({6}, 3);
  // float64 sums of 150 values near 1: 150 * 2^-53 each, far below 1e-12.
  EXPECT_NEAR(entropy_of(tokens, Estimator::kDiagonal)->value(), sum_of_log_sigma(tokens.reshape({150, 6})),
              1e-12);
  EXPECT_NEAR(entropy_of(tokens.select(1, 0), Estimator::kDiagonal)->value(),
              sum_of_log_sigma(tokens.select(1, 0)), 1e-12);
}

TEST(DiagonalEntropy, SurvivesALargeMean) {
  const at::Tensor rows = normal({40, 4}, 1) * 1e-3 + 1e6;
  // Squares about 0 would cancel (1e12 against 1e-6, 2^-53 * 1e12 = 1e-4); about a pivot the inputs' own
  // rounding, 1e6 * 2^-53 / 1e-3 = 1e-7 of a sigma, is all that is left.
  EXPECT_NEAR(entropy_of(rows, Estimator::kDiagonal)->value(), sum_of_log_sigma(rows), 4e-6);
}

TEST(Entropy, ConstantChannelsAreFlooredAndCounted) {
  at::Tensor rows = normal({50, 5}, 1);
  rows.select(1, 2).fill_(3);
  rows.select(1, 4) *= 10;
  const at::Tensor others = rows.index_select(1, at::tensor(std::vector<int64_t>{0, 1, 3, 4}, at::kLong));
  const double floor = std::log(1e-6) + rows.select(1, 4).var().log().item<double>() / 2;
  const auto diagonal = entropy_of(rows, Estimator::kDiagonal);
  EXPECT_EQ(diagonal->floored_channels(), 1);
  EXPECT_NEAR(diagonal->value(), sum_of_log_sigma(others) + floor, 1e-9);
  const auto full = entropy_of(rows, Estimator::kFull);
  EXPECT_EQ(full->floored_channels(), 1);
  EXPECT_TRUE(std::isfinite(full->value()));
  EXPECT_LE(full->value(), diagonal->value() + 1e-9);
  EXPECT_EQ(entropy_of(others, Estimator::kDiagonal)->floored_channels(), 0);
  EXPECT_TRUE(std::isfinite(entropy_of(at::ones({50, 3}, at::kDouble), Estimator::kFull)->value()));
}

TEST(FullEntropy, IsHalfTheLogDeterminant) {
  const int64_t n = 5000, p = 8;
  const at::Tensor rows = normal({n, p}, 1).mm(normal({p, p}, 2) + 2 * at::eye(p, at::kDouble));
  const at::Tensor centred = rows - rows.mean(0);
  const at::Tensor covariance = centred.t().mm(centred) / (n - 1);
  const double direct = at::logdet(covariance).item<double>() / 2;
  // Shrinking by rho moves each eigenvalue l of the correlation matrix to (1 - rho) l + rho, so the entropy
  // by at most rho / 2 * sum |1 / l - 1|.
  const at::Tensor scale = covariance.diagonal().rsqrt();
  const at::Tensor correlation = covariance * at::outer(scale, scale);
  const double squares = correlation.square().sum().item<double>();
  const double rho = std::max(1e-3, ((1 - 2.0 / p) * squares + p * p) / ((n + 1 - 2.0 / p) * (squares - p)));
  const double bound =
      rho / 2 * (at::linalg_eigvalsh(correlation).reciprocal() - 1).abs().sum().item<double>();
  const double full = entropy_of(rows, Estimator::kFull)->value(),
               diagonal = entropy_of(rows, Estimator::kDiagonal)->value();
  EXPECT_NEAR(full, direct, bound);
  EXPECT_LE(full, diagonal);
  ASSERT_GT(diagonal - direct, 5 * bound) << "channels are hardly correlated, so the test is blunt";
}

TEST(FullEntropy, IsFiniteWithFewerImagesThanChannels) {
  const at::Tensor rows = normal({12, 40}, 1);
  const auto full = entropy_of(rows, Estimator::kFull);
  EXPECT_TRUE(std::isfinite(full->value()));
  EXPECT_LE(full->value(), entropy_of(rows, Estimator::kDiagonal)->value());
  for (double value : full->replicates(make_resamples(12, 5, 0))) EXPECT_TRUE(std::isfinite(value));
}

TEST(Bootstrap, StandardErrorOfGaussiansIsTheTextbooks) {
  // ln s of n normal samples has variance 1 / (2 (n - 1)); ten independent channels add up.
  const int64_t n = 400, channels = 10;
  const double expected = std::sqrt(channels / (2.0 * (n - 1)));
  const at::Tensor rows = normal({n, channels}, 5);
  const Resamples resamples = make_resamples(n, 400, 1);
  const double diagonal = standard_error(entropy_of(rows, Estimator::kDiagonal)->replicates(resamples));
  // 400 resamples give the error to 4 %, the sample's own kurtosis some 5 % more.
  EXPECT_NEAR(diagonal, expected, 0.2 * expected);
  // The full estimator draws 50 groups, so its error is known to 10 % only, and has the determinant's share
  // in it.
  const double full = standard_error(entropy_of(rows, Estimator::kFull)->replicates(resamples));
  EXPECT_NEAR(full, expected, 0.4 * expected);
}

TEST(Bootstrap, WholeImagesAreDrawn) {
  // Five tokens of an image that are all the same carry no more than one: the standard error must not shrink
  // by sqrt(5).
  const at::Tensor rows = normal({100, 3}, 6);
  const Resamples resamples = make_resamples(100, 300, 2);
  const double one = standard_error(entropy_of(rows, Estimator::kDiagonal)->replicates(resamples));
  const at::Tensor repeated = rows.unsqueeze(1).expand({100, 5, 3}).contiguous();
  const double five = standard_error(entropy_of(repeated, Estimator::kDiagonal)->replicates(resamples));
  EXPECT_NEAR(five, one, 1e-3 * one);
}

TEST(Bootstrap, ResamplesArePairedAndDeterministic) {
  const Resamples a = make_resamples(30, 20, 4), b = make_resamples(30, 20, 4),
                  other = make_resamples(30, 20, 5);
  EXPECT_TRUE(at::equal(a.counts, b.counts));
  EXPECT_FALSE(at::equal(a.counts, other.counts));
  EXPECT_TRUE(at::equal(a.counts.sum(1), at::full({20}, 30.0, at::kDouble)));
  // A resample is the entropy of the drawn rows.
  const at::Tensor rows = normal({30, 4}, 7);
  const auto replicates = entropy_of(rows, Estimator::kDiagonal)->replicates(a);
  ASSERT_EQ(replicates.size(), 20u);
  const at::Tensor drawn = at::repeat_interleave(rows, a.counts[3].to(at::kLong), 0);
  EXPECT_NEAR(replicates[3], sum_of_log_sigma(drawn), 1e-10);
  EXPECT_THROW(entropy_of(rows, Estimator::kDiagonal)->replicates(make_resamples(31, 2, 0)),
               std::invalid_argument);
  EXPECT_EQ(standard_error({1.0}), 0);
  EXPECT_NEAR(standard_error({1, 2, 3, 4}), std::sqrt(5.0 / 3), 1e-12);
}

TEST(Entropy, Errors) {
  EXPECT_THROW(make_feature_entropy(Estimator::kDiagonal, 3, 1), std::invalid_argument);
  EXPECT_THROW(parse_estimator("Full"), std::invalid_argument);
  EXPECT_EQ(to_string(parse_estimator("full")), "full");
}

TEST(LayerTrace, IsTheEntropyOfEachBranch) {
  ModelSpec spec = test::variant("registers", 3);
  test::take_attention(spec.blocks[1]);
  const auto model = test::lively_model(spec);
  const data::ImageBatch images = test::colour_images(11);
  LayerTraceOptions options;
  options.batch_size = 4;
  options.replicates = 5;
  const LayerTrace trace = trace_layers(*model, images, options);
  EXPECT_TRUE(std::isnan(trace.attention[1].value) && std::isnan(trace.attention_norm[1]));
  const at::NoGradGuard no_grad;
  at::Tensor x = model->embed(normalized(images, 0, images.size()));
  for (int i = 0; i < 3; ++i) {
    model::BlockTrace block;
    const at::Tensor z = model->run_block(i, x, model::kKeep, &block);
    // float32 features, 32 channels with sigma of order 0.1 or more: 32 * 10 * float_tolerance of about 1e-5.
    EXPECT_NEAR(trace.mlp[i].value, sum_of_log_sigma(block.mlp.to(at::kDouble).flatten(0, 1)), 3e-3);
    EXPECT_LE(trace.other_mlp[i],
              trace.mlp[i].value + 1e-9);  // with 11 images the correlations are shrunk away
    if (i != 1) {
      EXPECT_NEAR(trace.attention[i].value, sum_of_log_sigma(block.attention.to(at::kDouble).flatten(0, 1)),
                  3e-3);
      EXPECT_NEAR(trace.attention_norm[i],
                  (block.attention.norm(2, -1) / x.norm(2, -1)).mean().item<double>(), 1e-4);
    }
    x = z;
  }
  EXPECT_EQ(trace.spectrum.log_amplitude.size(), 3u);
}

}  // namespace
}  // namespace vitrim::analysis
