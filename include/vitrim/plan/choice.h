#pragma once
// Chooses which candidates of a table to build, and in which order, from predicted and measured figures only.

#include <cstddef>
#include <vector>

#include "vitrim/plan/table.h"

namespace vitrim::plan {

/// Candidates by their index in the table.
using Candidates = std::vector<size_t>;

/// The table with PlanRow::front set for each candidate within `most` that no other candidate within it
/// dominates in costs and predicted loss.
CandidateTable with_front(CandidateTable table, const std::vector<double>& most);

/// The candidates whose predicted costs are within `most` (one value per budget), least predicted loss first.
Candidates within_by_loss(const CandidateTable& table, const std::vector<double>& most);

/// Those of `ordered` to build and measure next: the first `wanted` of the Pareto front that are not measured
/// yet.
Candidates next_of_front(const CandidateTable& table, const Candidates& ordered, int wanted);

/// Those of `ordered` to measure in addition to the Pareto front: the best of each kind of move alone, and
/// `spread` combinations of moves, spread evenly over the rest. They may include candidates that are measured
/// already.
Candidates beside_front(const CandidateTable& table, const Candidates& ordered, int spread);

/// How many kinds of move the row combines.
int moves_of(const PlanRow& row);

/// Median of measured / predicted latency over the measured candidates, at least 1; 1 if none was timed.
double slowdown(const CandidateTable& table);

/// The measured candidates, least measured loss first.
Candidates measured_by_loss(const CandidateTable& table);

/// The rows within `most`, in the form in which a result lists them.
struct ListedRows {
  std::vector<PlanRow> shown;      ///< the Pareto front and the measured rows, least predicted loss first
  std::vector<PlanRow> dominated;  ///< the other rows
};
ListedRows list_rows(CandidateTable table, const std::vector<double>& most);

}  // namespace vitrim::plan
