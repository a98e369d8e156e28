#include "vitrim/plan/choice.h"

#include <gtest/gtest.h>

namespace vitrim::plan {
namespace {

// One cost and a predicted loss each; no models.
CandidateTable table_of(const std::vector<std::pair<double, double>>& points) {
  CandidateTable table;
  for (const auto& [cost, loss] : points) {
    Candidate candidate;
    candidate.costs = {cost};
    candidate.row.kl = loss;
    table.candidates.push_back(candidate);
  }
  return table;
}

std::vector<bool> front_of(const CandidateTable& table) {
  std::vector<bool> out;
  for (const Candidate& candidate : table.candidates) out.push_back(candidate.row.front);
  return out;
}

TEST(Choice, TheFrontIsOfThoseWithin) {
  CandidateTable table = table_of({{9, 0.1}, {5, 0.3}, {5, 0.4}, {3, 0.9}, {4, 0.2}});
  table = with_front(std::move(table), {8});
  EXPECT_EQ(front_of(table), (std::vector<bool>{false, false, false, true, true}));
  const Candidates ordered = within_by_loss(table, {8});
  EXPECT_EQ(ordered, (Candidates{4, 1, 2, 3}));
  EXPECT_EQ(next_of_front(table, ordered, 1), (Candidates{4}));
  EXPECT_EQ(next_of_front(table, ordered, 5), (Candidates{4, 3}));
  table.candidates[4].row.measured_kl = 0.2;
  EXPECT_EQ(next_of_front(table, ordered, 1), (Candidates{3}));
  table.candidates[1].row.measured_kl = 0.1;
  EXPECT_EQ(measured_by_loss(table), (Candidates{1, 4}));
  // A wider limit lets the first in, which beats nothing; what was measured is shown too.
  const ListedRows listed = list_rows(table, {10});
  ASSERT_EQ(listed.shown.size(), 4u);
  EXPECT_EQ(listed.shown[0].kl, 0.1);
  EXPECT_EQ(listed.shown[2].kl, 0.3);
  ASSERT_EQ(listed.dominated.size(), 1u);
  EXPECT_EQ(listed.dominated[0].kl, 0.4);
}

TEST(Choice, BesideTheFrontEveryKindAloneAndSomeCombined) {
  CandidateTable table = table_of({{1, 0.1}, {1, 0.2}, {1, 0.3}, {1, 0.4}, {1, 0.5}, {1, 0.6}, {1, 0.7}});
  table.candidates[0].row.removed = {1};
  table.candidates[0].row.width = 8;
  table.candidates[1].row.width = 8;
  table.candidates[2].row.width = 16;
  table.candidates[3].row.int8 = true;
  for (const size_t i : {4, 5, 6}) {
    table.candidates[i].row.merging.pairs = 2;
    table.candidates[i].row.mlp = 64;
  }
  EXPECT_EQ(moves_of(table.candidates[0].row), 2);
  EXPECT_EQ(moves_of(table.candidates[3].row), 1);
  const Candidates ordered = within_by_loss(table, {1});
  // Pruning and int8 alone; of the combined {0, 4, 5, 6} the thirds.
  EXPECT_EQ(beside_front(table, ordered, 2), (Candidates{1, 3, 4, 5}));
  EXPECT_EQ(beside_front(table, ordered, 0), (Candidates{1, 3}));
}

TEST(Choice, SlowdownIsTheMedianOfTheTimed) {
  CandidateTable table = table_of({{1, 0}, {1, 0}, {1, 0}, {1, 0}});
  EXPECT_EQ(slowdown(table), 1);
  const double taken[] = {1.5, 3, 2};
  for (size_t i = 0; i < 3; ++i) {
    table.candidates[i].row.measured_kl = 0;
    table.candidates[i].row.latency = 1;
    table.candidates[i].row.measured_latency = taken[i];
  }
  EXPECT_EQ(slowdown(table), 2);
  for (size_t i = 0; i < 3; ++i) table.candidates[i].row.measured_latency = 0.5;
  EXPECT_EQ(slowdown(table), 1);
}

}  // namespace
}  // namespace vitrim::plan
