#include "vitrim/plan/budget.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/expect_message.h"

namespace vitrim::plan {
namespace {

struct Good {
  const char* text;
  Quantity quantity;
  double limit;  // of a dense model that needs 1e9 of a count, 20 ms
  int64_t batch;
};

TEST(Budget, EveryFormIsRead) {
  const std::vector<Good> table = {
      {"latency<=12ms@batch1", Quantity::kLatency, 12e-3, 1},
      {"latency<=12ms", Quantity::kLatency, 12e-3, 1},
      {"latency <= 12 ms @ batch 32", Quantity::kLatency, 12e-3, 32},
      {"latency<=0.015s@batch4", Quantity::kLatency, 15e-3, 4},
      {"latency<=800us@batch1", Quantity::kLatency, 800e-6, 1},
      {"latency<=70%@batch8", Quantity::kLatency, 14e-3, 8},
      {"macs<=60%", Quantity::kMacs, 6e8, 0},
      {"macs <= 0.7G", Quantity::kMacs, 7e8, 0},
      {"macs<=350M", Quantity::kMacs, 3.5e8, 0},
      {"params<=80%", Quantity::kParams, 8e8, 0},
      {"params<=900k", Quantity::kParams, 9e5, 0},
      {"params<=900K", Quantity::kParams, 9e5, 0},
      {"params<=5717416", Quantity::kParams, 5717416, 0},
      {"macs<=100%", Quantity::kMacs, 1e9, 0},
  };
  for (const Good& good : table) {
    const Budget budget = parse_budget(good.text);
    EXPECT_EQ(budget.quantity, good.quantity) << good.text;
    EXPECT_EQ(budget.batch, good.batch) << good.text;
    // One multiplication and one division round.
    EXPECT_NEAR(limit_of(budget, good.quantity == Quantity::kLatency ? 20e-3 : 1e9), good.limit,
                good.limit * 4 * 2.3e-16)
        << good.text;
  }
}

TEST(Budget, WhatIsWrongIsNamed) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"", "it has no '<='"},
      {"macs", "it has no '<='"},
      {"60%", "it has no '<='"},
      {"<=60%", "the quantity is missing"},
      {"latencey<=5ms", "did you mean 'latency'?"},
      {"parms<=50%", "did you mean 'params'?"},
      {"mac<=50%", "did you mean 'macs'?"},
      {"macs>=60%", "'>=' instead of '<='"},
      {"macs=60%", "'=' instead of '<='"},
      {"macs<60%", "'<' instead of '<='"},
      {"macs<=", "the amount is missing"},
      {"macs<=lots", "not an amount above 0"},
      {"macs<=-5%", "not an amount above 0"},
      {"macs<=0", "not an amount above 0"},
      {"latency<=nanms", "not an amount above 0"},
      {"latency<=infs", "not an amount above 0"},
      {"macs<=60", "did you mean 60%?"},
      {"macs<=120%", "more than the dense model needs"},
      {"latency<=101%@batch1", "more than the dense model needs"},
      {"macs<=3X", "is not a number of MACs"},
      {"params<=12ms", "is not a number of parameters"},
      {"latency<=12", "did you mean 12ms?"},
      {"latency<=12sm", "did you mean 'ms'?"},
      {"latency<=12G", "unknown unit 'G'"},
      {"latency<=12ms@bach1", "not a batch size"},
      {"latency<=12ms@batch", "not a batch size"},
      {"latency<=12ms@batch0", "not a batch size"},
      {"latency<=12ms@batch1x", "not a batch size"},
      {"latency<=12ms@batch99999999999999999999", "not a batch size"},
      {"macs<=60%@batch1", "only a latency has a batch size"},
  };
  for (const auto& [text, says] : table)
    expect_message<std::invalid_argument>([&] { parse_budget(text); }, says);
}

TEST(Budget, WhatTheModelHasAlreadyIsRefused) {
  expect_message<std::invalid_argument>([] { limit_of(parse_budget("macs<=2G"), 1e9); },
                                        "more than the model has");
  expect_message<std::invalid_argument>([] { limit_of(parse_budget("latency<=30ms"), 20e-3); },
                                        "within the budget already");
}

TEST(Budget, SharesHoldBesideTheDenseModelAndTimesByThemselves) {
  const Budget share = parse_budget("latency<=50%"), time = parse_budget("latency<=10ms");
  EXPECT_TRUE(holds(share, 14e-3, 30e-3));  // the machine is slower now, and so is the dense model
  EXPECT_FALSE(holds(share, 16e-3, 30e-3));
  EXPECT_FALSE(holds(time, 14e-3, 30e-3));
  EXPECT_TRUE(holds(time, 9e-3, 10e-3));
}

TEST(Budget, Shown) {
  EXPECT_EQ(show(Quantity::kLatency, 5.2134e-3), "5.213 ms");
  EXPECT_EQ(show(Quantity::kLatency, 0.2514), "251.4 ms");
  EXPECT_EQ(show(Quantity::kMacs, 1.254e9), "1.254 G");
  EXPECT_EQ(show(Quantity::kParams, 4573000), "4.573 M");
}

}  // namespace
}  // namespace vitrim::plan
