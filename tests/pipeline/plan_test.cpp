// A plan as a class, on a small model: its refusals, its measurements, and that the built model meets the
// budgets of counts.
#include "vitrim/pipeline/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "core/expect_message.h"
#include "model/small_models.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/error.h"
#include "vitrim/eval/cost.h"
#include "vitrim/plan/latency.h"

namespace vitrim::pipeline {
namespace {

PlanOptions quick(const std::vector<std::string>& budgets) {
  PlanOptions options;
  for (const std::string& text : budgets) options.budgets.push_back(plan::parse_budget(text));
  options.rounds = 3;
  options.measured = 3;
  options.spread = 2;
  options.precision = runtime::Precision::kF32;
  options.batch_size = 16;
  options.absorb.epochs = 0;
  options.prune.criterion = "energy_centred";
  return options;
}

// A table in which every piece takes time in proportion to its multiply-adds, so that nothing here depends on
// the clock.
LatencyTable fake_table(const ModelSpec& dense, const LatencyTable& like, int64_t batch) {
  LatencyTable table = like;
  plan::LatencyOptions options;
  options.batch = batch;
  options.widths = {8};
  options.mlps = {32};
  options.fixed = true;
  table.batches = {plan::measure_pieces(dense, options, [](const std::vector<ModelSpec>& specs) {
    std::vector<double> out;
    for (const ModelSpec& spec : specs)
      out.push_back(1e-9 * static_cast<double>(architecture::live_macs(spec)));
    return out;
  })};
  return table;
}

TEST(Plan, ImpossibleBudgetsAreRefusedWithTheLeastThatIsPossible) {
  const auto model = test::lively_model(test::small_spec());
  const auto refused = [&](const std::vector<std::string>& budgets, const std::string& says) {
    expect_message<std::invalid_argument>([&] { Planner(*model, quick(budgets)); }, says);
  };
  refused({"macs<=5%"}, "can't be met: the smallest candidate has");
  refused({"macs<=5%"}, "(width 8, MLPs of 32, 5 pairs)");
  refused({"params<=20%"}, "can't be met");
  refused({"params<=20%", "macs<=99%"}, "budget 'params<=20%'");
  refused({"macs<=5G"}, "more than the model has");
  refused({}, "needs a budget");
  PlanOptions nothing = quick({"macs<=90%"});
  nothing.grid.remove = nothing.grid.fix = nothing.grid.prune = nothing.grid.mlp = nothing.grid.merge = false;
  expect_message<std::invalid_argument>([&] { Planner(*model, nothing); },
                                        "every kind of move is switched off");
}

TEST(Plan, ModelsThatNothingCanBePlannedForAreRefused) {
  const auto refused = [&](ModelSpec spec, const std::string& budget, const std::string& says) {
    const auto model = test::lively_model(spec);
    expect_message<std::invalid_argument>([&] { Planner(*model, quick({budget})); }, says);
  };
  ModelSpec spec = test::small_spec();
  spec.num_classes = 0;
  refused(spec, "macs<=80%", "the model has no classifier");
  spec = test::small_spec();
  spec.blocks[1].merge = 2;
  refused(spec, "macs<=80%", "merges tokens already");
  refused(test::staged_spec("swin"), "latency<=80%", "latency can't be measured");
}

TEST(Plan, ImpossibleLatenciesAreRefusedByTheTable) {
  const auto model = test::lively_model(test::small_spec());
  PlanOptions options = quick({"macs<=90%"});
  const LatencyTable like = *Planner(*model, options).table();
  EXPECT_EQ(like.batches.size(), 1u);
  options = quick({"latency<=1%@batch4"});
  options.table = fake_table(model->spec(), like, 4);
  expect_message<std::invalid_argument>([&] { Planner(*model, options); }, "budget 'latency<=1%@batch4'");
  bool again = false;
  options.keep_table = [&](const LatencyTable&) { again = true; };
  expect_message<std::invalid_argument>([&] { Planner(*model, options); }, "can't be met");
  EXPECT_FALSE(again);  // nothing was measured anew
  options.table->threads = 7;
  expect_message<Error>([&] { Planner(*model, options); }, "threads");
}

void expect_within(const ModelSpec& spec, const ModelSpec& dense, double macs_share, double params_share) {
  const eval::ModelCost cost = eval::count_cost(spec), whole = eval::count_cost(dense);
  EXPECT_LE(static_cast<double>(cost.macs), macs_share * static_cast<double>(whole.macs));
  EXPECT_LE(static_cast<double>(cost.params), params_share * static_cast<double>(whole.params));
}

TEST(Plan, WhatIsBuiltKeepsToEveryCount) {
  const auto model = test::lively_model(test::small_spec());
  const data::ImageBatch images = test::colour_images(48);
  for (const std::string criterion : {"energy_centred", "apma"}) {
    PlanOptions options = quick({"macs<=75%", "params<=90%"});
    options.prune.criterion = criterion;
    options.prune.indicators.epochs = 1;
    int kept = 0;
    options.keep_table = [&](const LatencyTable& table) { kept += static_cast<int>(table.batches.size()); };
    Planner planner(*model, options);
    EXPECT_EQ(kept, 1);
    const Planned planned = planner.run(images, nullptr, {});
    const PlanResult& result = planned.result;
    ASSERT_TRUE(planned.model && result.chosen && result.built && result.built_kl);
    expect_within(planned.model->spec(), model->spec(), 0.75, 0.9);
    EXPECT_EQ(result.built->compressed_spec, planned.model->spec());
    EXPECT_EQ(result.fit_images, 36);
    EXPECT_EQ(result.held_out_images, 12);
    EXPECT_EQ(static_cast<int64_t>(result.rows.size() + result.dominated.size()), result.within);
    EXPECT_LE(result.within, result.candidates);
    double least = 1e9;
    for (const PlanRow& row : result.rows) {
      expect_within(plan::candidate_spec(model->spec(), row), model->spec(), 0.75, 0.9);
      EXPECT_TRUE(row.front || row.measured_kl);
      EXPECT_GE(row.kl, 0);
      if (row.measured_kl) least = std::min(least, *row.measured_kl);
    }
    EXPECT_EQ(*result.chosen->measured_kl, least);
    // No omitted candidate loses less at lower cost, by prediction.
    for (const PlanRow& beaten : result.dominated) {
      EXPECT_TRUE(std::any_of(result.rows.begin(), result.rows.end(), [&](const PlanRow& row) {
        return row.front && row.kl <= beaten.kl && row.macs <= beaten.macs && row.params <= beaten.params;
      })) << plan::describe(beaten);
    }
    // A move alone is its own prediction, and combinations are sums.
    for (const PlanCombination& combination : result.combinations) {
      double sum = 0;
      for (const PlanMove& move : result.moves) {
        const PlanRow &part = move.row, &row = combination.row;
        const bool in = (move.move == "removal" && part.removed == row.removed) ||
                        (move.move == "pruning" && part.width == row.width) ||
                        (move.move == "mlp" && part.mlp == row.mlp) ||
                        (move.move == "merging" && part.merging == row.merging);
        if (in) sum += *part.measured_kl;
      }
      // Static layers are a set without its removed layers, and lose their share of the set's loss.
      const std::vector<int>&removed = combination.row.removed, &fixed = combination.row.fixed;
      std::vector<int> both;
      std::merge(removed.begin(), removed.end(), fixed.begin(), fixed.end(), std::back_inserter(both));
      for (const PlanMove& move : result.moves) {
        if (move.move != "static" || fixed.empty() || move.row.fixed != both) continue;
        sum += *move.row.measured_kl * static_cast<double>(fixed.size()) / static_cast<double>(both.size());
      }
      EXPECT_NEAR(combination.predicted, sum, 1e-12 * std::max(1.0, sum)) << plan::describe(combination.row);
    }
    EXPECT_EQ(result.kl_quality.count, static_cast<int64_t>(result.combinations.size()));
    EXPECT_GT(result.kl_quality.count, 1);
  }
}

TEST(Plan, WithoutBuildingNothingIsBuilt) {
  const auto model = test::lively_model(test::staged_spec("swin"));
  PlanOptions options = quick({"macs<=90%"});
  options.build = false;
  Planner planner(*model, options);
  EXPECT_FALSE(planner.table().has_value());
  const Planned planned = planner.run(test::colour_images(24), nullptr, {});
  EXPECT_EQ(planned.model, nullptr);
  EXPECT_FALSE(planned.result.built.has_value());
  ASSERT_TRUE(planned.result.chosen.has_value());
  EXPECT_FALSE(planned.result.chosen->latency.has_value());
  EXPECT_EQ(planned.result.chosen->merging.pairs, 0);
}

TEST(Plan, FewImagesAreRefused) {
  const auto model = test::lively_model(test::small_spec());
  Planner planner(*model, quick({"macs<=90%"}));
  expect_message<std::invalid_argument>(
      [&] { planner.run(test::colour_images(8), nullptr, {}); },
      "at least 11 calibration images (three quarters for the fits, the rest for the evaluation), but has 8");
}

}  // namespace
}  // namespace vitrim::pipeline
