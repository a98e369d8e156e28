#include "vitrim/plan/table.h"

#include <gtest/gtest.h>

#include "core/expect_message.h"
#include "model/small_models.h"
#include "vitrim/architecture/cost.h"

namespace vitrim::plan {
namespace {

double macs(const PlanRow& row, const ModelSpec&) { return static_cast<double>(row.macs); }

TEST(CandidateTable, BudgetsAreColumns) {
  const ModelSpec dense = test::small_spec();
  const MoveGrid grid = make_grid(dense);
  CandidateTable table = make_table(dense, grid, 2);
  EXPECT_EQ(table.candidates.size(), enumerate(dense, grid).size());
  const double whole = static_cast<double>(architecture::total_macs(dense));
  table = with_budget(std::move(table), 1, parse_budget("macs<=80%"), whole, macs);
  table = with_budget(std::move(table), 0, parse_budget("params<=50K"), 1e5,
                      [](const PlanRow& row, const ModelSpec&) { return row.width > 0 ? 49e3 : 51e3; });
  const std::vector<double> allowed = table.allowed();
  EXPECT_EQ(allowed[0], 5e4);
  EXPECT_NEAR(allowed[1], 0.8 * whole, 1);
  EXPECT_EQ(table.limits[0].text, "params<=50K");
  EXPECT_EQ(table.limits[0].floor, 49e3);
  EXPECT_EQ(table.limits[1].dense, whole);
  double least = 1e18;
  for (const Candidate& candidate : table.candidates) {
    EXPECT_EQ(candidate.costs[1], static_cast<double>(candidate.row.macs));
    EXPECT_EQ(candidate.spec, candidate_spec(dense, candidate.row));
    EXPECT_EQ(within(candidate, allowed), candidate.row.width > 0 && candidate.costs[1] <= allowed[1]);
    least = std::min(least, candidate.costs[1]);
  }
  EXPECT_EQ(table.limits[1].floor, least);
}

TEST(CandidateTable, SaysWhatCannotBeMet) {
  const ModelSpec dense = test::small_spec();
  GridOptions only;
  only.fix = only.remove = only.mlp = only.merge = false;
  CandidateTable table = make_table(dense, make_grid(dense, only), 2);
  ASSERT_EQ(table.candidates.size(), 1u);  // half of a head's width
  const auto costs = [](double each) { return [each](const PlanRow&, const ModelSpec&) { return each; }; };
  expect_message<std::invalid_argument>(
      [&] { with_budget(table, 0, parse_budget("macs<=60%"), 1e9, costs(7e8)); },
      "can't be met: the smallest candidate has 0.700 G, 70.0 % of the dense model's (width 8)");
  // Each is met by one of two candidates, and none meets both.
  table.candidates.push_back(table.candidates.front());
  table.candidates.back().row.width = 12;
  const auto first = [](const PlanRow& row, const ModelSpec&) { return row.width == 8 ? 1e3 : 3e3; };
  const auto second = [](const PlanRow& row, const ModelSpec&) { return row.width == 8 ? 3e3 : 1e3; };
  table = with_budget(std::move(table), 0, parse_budget("macs<=2K"), 4e3, first);
  EXPECT_NO_THROW(check_together(with_budget(table, 1, parse_budget("params<=2K"), 4e3, first)));
  table = with_budget(std::move(table), 1, parse_budget("params<=2K"), 4e3, second);
  expect_message<std::invalid_argument>([&] { check_together(table); }, "all of them at once");
  only.prune = false;
  expect_message<std::invalid_argument>([&] { make_table(dense, make_grid(dense, only), 1); },
                                        "there are no candidates");
}

}  // namespace
}  // namespace vitrim::plan
