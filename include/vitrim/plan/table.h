#pragma once
// The table of candidates: what each is, what it costs against each budget, and what the budgets allow.

#include <functional>
#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/plan/budget.h"
#include "vitrim/plan/candidates.h"

namespace vitrim::plan {

struct CandidateTable {
  std::vector<Candidate> candidates;
  std::vector<PlanLimit> limits;  ///< a budget each
  /// What the budgets allow.
  std::vector<double> allowed() const;
};

/// Every combination of the grid, with `budgets` columns that are not filled in. Throws std::invalid_argument
/// where there is no combination.
CandidateTable make_table(const ModelSpec& dense, const MoveGrid& grid, size_t budgets);

/// What a model of this row and spec costs, in a budget's quantity.
using Cost = std::function<double(const PlanRow& row, const ModelSpec& spec)>;

/// The table with one column filled in: every candidate's cost, what the budget allows of the dense model's,
/// and the least that any candidate comes to. Throws std::invalid_argument, naming that least, where it is
/// more than the budget allows.
CandidateTable with_budget(CandidateTable table, size_t column, const Budget& budget, double dense,
                           const Cost& cost);

/// Whether the candidate's predicted costs are at most these, a budget each.
bool within(const Candidate& candidate, const std::vector<double>& most);

/// Throws std::invalid_argument where no candidate meets all budgets at once.
void check_together(const CandidateTable& table);

}  // namespace vitrim::plan
