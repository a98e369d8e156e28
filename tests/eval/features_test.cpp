#include "vitrim/eval/features.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace vitrim::eval {
namespace {

// Directions in the plane, by angle in degrees; lengths must not matter.
at::Tensor directions(const std::vector<double>& degrees, double length = 1) {
  at::Tensor out = at::empty({static_cast<int64_t>(degrees.size()), 2});
  for (size_t i = 0; i < degrees.size(); ++i) {
    const double angle = degrees[i] * M_PI / 180;
    out[static_cast<int64_t>(i)][0] = length * std::cos(angle);
    out[static_cast<int64_t>(i)][1] = length * std::sin(angle);
  }
  return out;
}

TEST(Features, NeighboursVoteByCosine) {
  const LabelledFeatures gallery{directions({0, 10, 90, 100}, 3), {0, 0, 1, 2}};
  const at::Tensor votes = knn_votes(directions({5, 97}, 0.1), gallery, 2, 3, /*leave_out_own=*/false);
  // Both neighbours of 5 degrees are 5 degrees away and of class 0.
  const double near = std::exp((std::cos(5 * M_PI / 180) - 1) / kVoteTemperature);
  EXPECT_NEAR(votes[0][0].item<double>(), 2 * near, 1e-5);
  EXPECT_EQ(votes[0][1].item<double>(), 0);
  // 97 degrees: class 2 at 3 degrees, class 1 at 7.
  EXPECT_NEAR(votes[1][2].item<double>(), std::exp((std::cos(3 * M_PI / 180) - 1) / kVoteTemperature), 1e-5);
  EXPECT_NEAR(votes[1][1].item<double>(), std::exp((std::cos(7 * M_PI / 180) - 1) / kVoteTemperature), 1e-5);
  EXPECT_EQ(votes[1].argmax(0).item<int64_t>(), 2);
}

TEST(Features, AnImageIsNotItsOwnNeighbour) {
  const LabelledFeatures gallery{directions({0, 1, 90, 92}), {0, 1, 2, 3}};
  const at::Tensor votes = knn_votes(gallery.features, gallery, 1, 4, /*leave_out_own=*/true);
  const std::vector<int64_t> expected = {1, 0, 3, 2};
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_EQ(votes[i].argmax(0).item<int64_t>(), expected[static_cast<size_t>(i)]) << i;
  EXPECT_THROW(knn_votes(gallery.features, gallery, 4, 4, true), std::invalid_argument);
  EXPECT_THROW(knn_votes(gallery.features, gallery, 0, 4, false), std::invalid_argument);
}

TEST(Features, RetrievalEqualsAPlainCount) {
  at::manual_seed(5);
  constexpr int64_t n = 300, k = 7;  // more than one block of rows
  const at::Tensor reference = at::randn({n, 12}), features = reference + 0.7 * at::randn({n, 12});
  const Retrieval found = retrieve(features, reference, k);
  const auto cosines = [](const at::Tensor& f) {
    const at::Tensor u = f / f.norm(2, 1, true);
    return at::matmul(u, u.t());
  };
  const at::Tensor own = cosines(features), right = cosines(reference);
  for (const int64_t q : {int64_t{0}, int64_t{255}, int64_t{256}, n - 1}) {
    std::vector<std::pair<double, int64_t>> by_right, by_own;
    for (int64_t j = 0; j < n; ++j) {
      if (j == q) continue;
      by_right.emplace_back(-right[q][j].item<double>(), j);
      by_own.emplace_back(-own[q][j].item<double>(), j);
    }
    std::sort(by_right.begin(), by_right.end());
    std::sort(by_own.begin(), by_own.end());
    double precision = 0, hits = 0, among = 0;
    int64_t first = 0;
    for (size_t place = 0; place < by_own.size(); ++place) {
      const bool is_right = std::any_of(by_right.begin(), by_right.begin() + k,
                                        [&](const auto& one) { return one.second == by_own[place].second; });
      if (by_own[place].second == by_right[0].second) first = static_cast<int64_t>(place) + 1;
      if (!is_right) continue;
      ++hits;
      among += place < static_cast<size_t>(k);
      precision += hits / static_cast<double>(place + 1);
    }
    EXPECT_NEAR(found.recall[q].item<double>(), among / k, 1e-12) << q;
    EXPECT_NEAR(found.average_precision[q].item<double>(), precision / k, 1e-12) << q;
    EXPECT_EQ(found.rank[q].item<int64_t>(), first) << q;
  }
  const Retrieval same = retrieve(reference * 2, reference, k);
  EXPECT_EQ(same.recall.min().item<double>(), 1);
  EXPECT_EQ(same.average_precision.min().item<double>(), 1);
  EXPECT_THROW(retrieve(features, reference.slice(0, 1), k), std::invalid_argument);
  EXPECT_THROW(retrieve(features, reference, n), std::invalid_argument);
}

TEST(Features, TheProbeFindsALinearRule) {
  at::manual_seed(7);
  const at::Tensor rule = at::randn({6, 3});
  const auto labelled = [&](int64_t n) {
    LabelledFeatures out{at::randn({n, 6}) * 5 + 2, {}};
    const at::Tensor classes = at::matmul(out.features - 2, rule).argmax(1);
    for (int64_t i = 0; i < n; ++i) out.labels.push_back(classes[i].item<int64_t>());
    return out;
  };
  const LabelledFeatures known = labelled(600), asked = labelled(300);
  const at::Tensor answers = probe_scores(asked.features, known, 3).argmax(1);
  int64_t right = 0;
  for (int64_t i = 0; i < 300; ++i)
    right += answers[i].item<int64_t>() == asked.labels[static_cast<size_t>(i)];
  // Least squares on one-hot classes finds most of an argmax of linear functions; chance is 100.
  EXPECT_GT(right, 250);
}

TEST(Features, AConstantFeatureSaysNothing) {
  at::manual_seed(8);
  LabelledFeatures known{at::randn({40, 4}), {}};
  for (int64_t i = 0; i < 40; ++i) known.labels.push_back(i % 2);
  known.features.select(1, 2).fill_(3);
  const at::Tensor scores = probe_scores(known.features, known, 2);
  EXPECT_TRUE(at::isfinite(scores).all().item<bool>());
  // One-hot rows sum to 1, and so do the scores.
  EXPECT_LT((scores.sum(1) - 1).abs().max().item<double>(), 1e-9);
}

TEST(Features, BootstrapIntervals) {
  const auto [low, high] = bootstrap_mean(at::full({50}, 0.25, at::kDouble));
  EXPECT_EQ(low, 0.25);
  EXPECT_EQ(high, 0.25);
  at::manual_seed(9);
  const at::Tensor figures = at::rand({400}, at::kDouble);
  const auto [begin, end] = bootstrap_mean(figures);
  const double mean = figures.mean().item<double>();
  // A mean of 400 uniform numbers has a standard error of sqrt(1 / 12 / 400) = 0.0144.
  EXPECT_LT(begin, mean);
  EXPECT_GT(end, mean);
  EXPECT_NEAR(end - begin, 2 * 1.96 * 0.0144, 0.01);
}

}  // namespace
}  // namespace vitrim::eval
