#pragma once
// Which candidates of a table are worth making, and in which order: from predicted and measured figures
// alone.

#include <cstddef>
#include <vector>

#include "vitrim/plan/table.h"

namespace vitrim::plan {

/// Candidates by their index in the table.
using Candidates = std::vector<size_t>;

/// The table with PlanRow::front set for those within `most` that no other within it beats: by costs and
/// predicted loss.
CandidateTable with_front(CandidateTable table, const std::vector<double>& most);

/// Those within `most` (a budget each) by prediction, least predicted loss first.
Candidates within_by_loss(const CandidateTable& table, const std::vector<double>& most);

/// Of `ordered`, what is to be made and measured: the first `wanted` of the Pareto front that are not
/// measured yet.
Candidates next_of_front(const CandidateTable& table, const Candidates& ordered, int wanted);

/// Of `ordered`, what is measured beside the Pareto front: the best of each kind of move alone, and `spread`
/// combinations of moves spread over the rest. May name what is measured already.
Candidates beside_front(const CandidateTable& table, const Candidates& ordered, int spread);

/// How many kinds of move the row combines.
int moves_of(const PlanRow& row);

/// Median of measured over predicted latency among the measured ones, at least 1; 1 where none was timed.
double slowdown(const CandidateTable& table);

/// The measured ones, least measured loss first.
Candidates measured_by_loss(const CandidateTable& table);

/// Rows within `most` as a result lists them.
struct ListedRows {
  std::vector<PlanRow> shown;      ///< the Pareto front and what was measured, least predicted loss first
  std::vector<PlanRow> dominated;  ///< the others
};
ListedRows list_rows(CandidateTable table, const std::vector<double>& most);

}  // namespace vitrim::plan
