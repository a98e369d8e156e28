#include "vitrim/plan/measurement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/expect_message.h"
#include "model/small_models.h"

namespace vitrim::plan {
namespace {

// Losses in which every layer, channel and pair has its own loss, and int8 one.
double loss(const PlanRow& row) {
  double out = row.int8 ? 0.5 : 0;
  for (const int layer : row.removed) out += 1 << layer;
  for (const int layer : row.fixed) out += 0.25 * (1 << layer);
  if (row.width > 0) out += 1.0 / static_cast<double>(row.width);
  if (row.mlp > 0) out += 1.0 / static_cast<double>(row.mlp);
  return out + 0.125 * static_cast<double>(row.merging.pairs) / (1 + row.merging.start);
}

TEST(MeasureMoves, SumsPredictCombinations) {
  GridOptions options;
  options.quantize = true;
  const MoveGrid grid = make_grid(test::small_spec(), options);
  const MeasuredMoves measured = measure_moves(grid, {loss, {}});
  size_t moves = grid.sets.size() + grid.fixed.size() + grid.widths.size() + grid.mlps.size();
  moves += grid.mergings.size() + grid.int8.size() - 6;
  ASSERT_EQ(measured.moves.size(), moves);
  for (const auto& [move, row] : measured.moves) {
    EXPECT_EQ(measured.losses.of(row), loss(row)) << move;
    EXPECT_EQ(row.measured_kl, row.kl) << move;
  }
  PlanRow row;
  EXPECT_EQ(measured.losses.of(row), 0);
  row.width = grid.widths.back();
  row.merging = grid.mergings.back();
  row.int8 = true;
  EXPECT_EQ(measured.losses.of(row), loss(row));
  // Layer 0 is removed of the static set {0, 1}, whose loss 0.75 is shared by number of layers.
  row = {};
  row.removed = {0};
  row.fixed = {1};
  EXPECT_EQ(measured.losses.of(row), 1 + 0.75 / 2);
}

// Every candidate is predicted to take its multiply-adds as microseconds, and its loss is the sum over its
// moves.
CandidateTable timed_table(const ModelSpec& dense, const Budget& budget) {
  const MoveGrid grid = make_grid(dense);
  CandidateTable table = make_table(dense, grid, 1);
  double whole = 0;
  for (Candidate& candidate : table.candidates) {
    candidate.row.kl = loss(candidate.row);
    candidate.row.latency = 1e-6 * static_cast<double>(candidate.row.macs);
    whole = std::max(whole, *candidate.row.latency);
  }
  return with_budget(std::move(table), 0, budget, whole,
                     [](const PlanRow& row, const ModelSpec&) { return *row.latency; });
}

// Times by the candidates' index in the table, `slower` times as long as predicted.
Instruments slow_by(const CandidateTable& table, double slower) {
  return {loss, [&table, slower](int64_t, const std::vector<ModelSpec>& specs) {
            TimedModels out;
            out.dense = table.limits[0].dense;
            for (const ModelSpec& spec : specs) {
              const auto found = std::find_if(table.candidates.begin(), table.candidates.end(),
                                              [&](const Candidate& c) { return c.spec == spec; });
              out.seconds.push_back(slower * *found->row.latency);
            }
            return out;
          }};
}

TEST(Measure, FillsInWhatWasAskedFor) {
  const Budget budget = parse_budget("latency<=60%@batch4");
  const CandidateTable table = timed_table(test::small_spec(), budget);
  const Measured measured = measure(table, {0, 7}, {budget}, {4}, slow_by(table, 2));
  EXPECT_EQ(measured_by_loss(measured.table).size(), 2u);
  const PlanRow& row = measured.table.candidates[7].row;
  EXPECT_EQ(row.measured_kl, loss(row));
  EXPECT_EQ(row.measured_latency, 2 * *row.latency);
  EXPECT_EQ(row.holds, 2 * *row.latency <= 0.6 * table.limits[0].dense);
  EXPECT_FALSE(measured.table.candidates[1].measured());
  for (const PlanCombination& one : measured.combinations) EXPECT_EQ(one.predicted, one.measured);
}

TEST(MeasureUntilHeld, CorrectsPredictionsThatWereTooFast) {
  const Budget budget = parse_budget("latency<=60%@batch1");
  const CandidateTable table = timed_table(test::small_spec(), budget);
  const auto held = [&](double slower) {
    const Measured measured =
        measure_until_held(table, {budget}, {1}, slow_by(table, slower), {3, /*spread=*/2});
    int holding = 0;
    for (const size_t i : measured_by_loss(measured.table)) holding += measured.table.candidates[i].row.holds;
    EXPECT_GE(holding, 3) << slower;
    EXPECT_FALSE(measured.combinations.empty());
    return measured.notes;
  };
  EXPECT_TRUE(held(1).empty());
  const std::vector<std::string> notes = held(1.25);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("1.25 times the prediction"), std::string::npos) << notes[0];
  expect_message<std::invalid_argument>([&] { held(100); }, "no candidate was measured within the budget");
}

}  // namespace
}  // namespace vitrim::plan
