#include "vitrim/plan/table.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace vitrim::plan {

namespace {

std::string share(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * part / whole);
  return text;
}

}  // namespace

std::vector<double> CandidateTable::allowed() const {
  std::vector<double> out;
  for (const PlanLimit& limit : limits) out.push_back(limit.limit);
  return out;
}

CandidateTable make_table(const ModelSpec& dense, const MoveGrid& grid, size_t budgets) {
  CandidateTable table;
  table.limits.resize(budgets);
  table.candidates = enumerate(dense, grid);
  for (Candidate& candidate : table.candidates) candidate.costs.resize(budgets);
  if (table.candidates.empty())
    throw std::invalid_argument(
        "there are no candidates: every kind of move is switched off, or the model is too small for "
        "them");
  return table;
}

CandidateTable with_budget(CandidateTable table, size_t column, const Budget& budget, double dense,
                           const Cost& cost) {
  PlanLimit& limit = table.limits.at(column);
  limit = {budget.text, to_string(budget.quantity), budget.batch, dense, limit_of(budget, dense), 0};
  const Candidate* least = nullptr;
  for (Candidate& candidate : table.candidates) {
    candidate.costs[column] = cost(candidate.row, candidate.spec);
    if (!least || candidate.costs[column] < least->costs[column]) least = &candidate;
  }
  limit.floor = least->costs[column];
  if (limit.floor > limit.limit) {
    throw std::invalid_argument("budget '" + budget.text + "' (" + show(budget.quantity, limit.limit) +
                                ") can't be met: the smallest candidate has " +
                                show(budget.quantity, limit.floor) + ", " + share(limit.floor, dense) +
                                " of the dense model's (" + describe(least->row) + ")");
  }
  return table;
}

bool within(const Candidate& candidate, const std::vector<double>& most) {
  for (size_t i = 0; i < most.size(); ++i) {
    if (candidate.costs[i] > most[i]) return false;
  }
  return true;
}

void check_together(const CandidateTable& table) {
  const std::vector<double> most = table.allowed();
  if (std::any_of(table.candidates.begin(), table.candidates.end(),
                  [&](const Candidate& candidate) { return within(candidate, most); }))
    return;
  throw std::invalid_argument(
      "each budget can be met, but no candidate meets all of them at once; raise one of them");
}

}  // namespace vitrim::plan
