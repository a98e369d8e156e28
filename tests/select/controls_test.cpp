#include "vitrim/select/controls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <stdexcept>

namespace vitrim::select {
namespace {

const std::vector<int> kAll = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

std::vector<std::string> reasons(const std::vector<CompressionPlan>& plans) {
  std::vector<std::string> names;
  for (const CompressionPlan& plan : plans) names.push_back(plan.reason);
  return names;
}

TEST(Controls, NamesAndSets) {
  const std::vector<double> norms = {9, 8, 1, 7, 6, 0, 9, 9, 9, 9, 9, 2};
  const auto plans = control_plans(kAll, 3, norms, 2, 1);
  EXPECT_EQ(reasons(plans),
            (std::vector<std::string>{"random 1", "random 2", "first-k", "last-k", "least-norm"}));
  EXPECT_EQ(plans[2].remove_attention, (LayerSet{0, 1, 2}));
  EXPECT_EQ(plans[3].remove_attention, (LayerSet{9, 10, 11}));
  EXPECT_EQ(plans[4].remove_attention, (LayerSet{2, 5, 11}));
  EXPECT_EQ(control_plans(kAll, 3, {}, 0, 1).size(), 2);
}

TEST(Controls, OnlyCandidates) {
  const std::vector<double> norms = {0, 0, 5, 0, 4, 0, 3, 0, 2};
  const auto plans = control_plans({8, 2, 4, 6}, 2, norms, 6, 3);
  for (const CompressionPlan& plan : plans) {
    EXPECT_EQ(plan.remove_attention.size(), 2);
    EXPECT_TRUE(std::is_sorted(plan.remove_attention.begin(), plan.remove_attention.end()));
    for (const int layer : plan.remove_attention) EXPECT_TRUE(std::set<int>({2, 4, 6, 8}).contains(layer));
  }
  EXPECT_EQ(plans[6].remove_attention, (LayerSet{2, 4}));
  EXPECT_EQ(plans[7].remove_attention, (LayerSet{6, 8}));
  EXPECT_EQ(plans[8].remove_attention, (LayerSet{6, 8}));
}

TEST(Controls, RandomSetsDifferAndRepeat) {
  const auto plans = control_plans(kAll, 3, {}, 20, 5);
  std::set<LayerSet> sets;
  for (int i = 0; i < 20; ++i) sets.insert(plans[i].remove_attention);
  EXPECT_EQ(sets.size(), 20);
  const auto again = control_plans(kAll, 3, {}, 20, 5);
  const auto fewer = control_plans(kAll, 3, {}, 7, 5);
  const auto other = control_plans(kAll, 3, {}, 20, 6);
  int same = 0;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(again[i].remove_attention, plans[i].remove_attention);
    if (i < 7) {
      EXPECT_EQ(fewer[i].remove_attention, plans[i].remove_attention);
    }
    same += other[i].remove_attention == plans[i].remove_attention;
  }
  EXPECT_LT(same, 3);
}

TEST(Controls, RandomSetsAreEven) {
  std::vector<int> counts(12);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const auto plans = control_plans(kAll, 3, {}, 1, seed);
    for (const int layer : plans[0].remove_attention) ++counts[layer];
  }
  // 1000 each on average; five standard deviations of a binomial with p = 1/4.
  for (const int count : counts) EXPECT_NEAR(count, 1000, 5 * 27.4);
}

TEST(Controls, AsManyRandomSetsAsThereAre) {
  // 4 over 2 is 6; a thirtieth does not exist.
  EXPECT_EQ(control_plans({0, 1, 2, 3}, 2, {}, 30, 1).size(), 6 + 2);
  EXPECT_EQ(control_plans({0, 1, 2, 3}, 4, {}, 30, 1).size(), 1 + 2);
  EXPECT_EQ(control_plans({0, 1, 2, 3}, 0, {}, 30, 1).size(), 1 + 2);
}

TEST(Controls, NormsThatAreMissingOrEqual) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(control_plans({0, 1, 2, 3}, 2, {nan, 5, nan, 4}, 0, 1)[2].remove_attention, (LayerSet{1, 3}));
  EXPECT_EQ(control_plans({0, 1, 2, 3}, 2, {7, 7, 7, 7}, 0, 1)[2].remove_attention, (LayerSet{0, 1}));
}

TEST(Controls, BadArguments) {
  EXPECT_THROW(control_plans(kAll, 13, {}, 1, 1), std::invalid_argument);
  EXPECT_THROW(control_plans(kAll, -1, {}, 1, 1), std::invalid_argument);
  EXPECT_THROW(control_plans(kAll, 1, {}, -1, 1), std::invalid_argument);
  EXPECT_THROW(control_plans({1, 1}, 1, {}, 1, 1), std::invalid_argument);
  EXPECT_THROW(control_plans({-1, 1}, 1, {}, 1, 1), std::invalid_argument);
  EXPECT_THROW(control_plans(kAll, 1, {1, 2, 3}, 1, 1), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::select
