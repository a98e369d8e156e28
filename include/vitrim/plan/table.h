#pragma once
// The table of candidates: their moves, their costs in the quantity of each budget, and the limits of the
// budgets.

#include <functional>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/plan/budget.h"
#include "vitrim/plan/candidates.h"

namespace vitrim::plan {

struct CandidateTable {
  std::vector<Candidate> candidates;
  std::vector<PlanLimit> limits;  ///< one per budget
  /// The limits of the budgets.
  std::vector<double> allowed() const;
};

/// A table with every combination of the grid and `budgets` cost columns that are not filled in. Throws
/// std::invalid_argument if there is no combination.
CandidateTable make_table(const ModelSpec& dense, const MoveGrid& grid, size_t budgets);

/// The cost of a model with this row and spec, in the quantity of a budget.
using Cost = std::function<double(const PlanRow& row, const ModelSpec& spec)>;

/// The table with one column filled in: the cost of every candidate, the budget's limit if the dense model
/// costs `dense`, and the smallest cost of any candidate. Throws std::invalid_argument, with that smallest
/// cost, if it is above the limit.
CandidateTable with_budget(CandidateTable table, size_t column, const Budget& budget, double dense,
                           const Cost& cost);

/// Whether the candidate's predicted costs are at most `most`, one value per budget.
bool within(const Candidate& candidate, const std::vector<double>& most);

/// Throws std::invalid_argument if no candidate meets all budgets at once.
void check_together(const CandidateTable& table);

}  // namespace vitrim::plan
