#include "vitrim/plan/measurement.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "vitrim/core/log.h"

namespace vitrim::plan {

namespace {

constexpr int kMostAttempts = 4;

template <typename Key>
double loss_of(const std::map<Key, double>& losses, const Key& key) {
  const auto found = losses.find(key);
  return found == losses.end() ? 0 : found->second;
}

template <typename T>
PlanRow only(T PlanRow::* move, const T& value) {
  PlanRow row;
  row.*move = value;
  return row;
}

}  // namespace

double MoveLosses::of(const PlanRow& row) const {
  double fixed = 0;
  if (!row.fixed.empty()) {
    std::vector<int> all = row.removed;
    all.insert(all.end(), row.fixed.begin(), row.fixed.end());
    std::sort(all.begin(), all.end());
    fixed = fixing.at(all) * static_cast<double>(row.fixed.size()) / static_cast<double>(all.size());
  }
  return loss_of(removal, row.removed) + fixed + loss_of(width, row.width) + loss_of(mlp, row.mlp) +
         loss_of(merging, row.merging) + (row.int8 ? int8 : 0);
}

MeasuredMoves measure_moves(const MoveGrid& grid, const Instruments& instruments) {
  MeasuredMoves out;
  const int64_t count = static_cast<int64_t>(grid.sets.size() + grid.fixed.size() + grid.widths.size() +
                                             grid.mlps.size() + grid.mergings.size() + grid.int8.size()) -
                        6;
  Progress progress("single moves", count, "moves");
  const auto alone = [&](const char* move, PlanRow row) {
    row.kl = instruments.loss(row);
    row.measured_kl = row.kl;
    out.moves.push_back({move, row});
    progress.advance();
    return row.kl;
  };
  for (size_t k = 1; k < grid.sets.size(); ++k)
    out.losses.removal[grid.sets[k]] = alone("removal", only(&PlanRow::removed, grid.sets[k]));
  for (size_t k = 1; k < grid.fixed.size(); ++k)
    out.losses.fixing[grid.fixed[k]] = alone("static", only(&PlanRow::fixed, grid.fixed[k]));
  for (size_t i = 1; i < grid.widths.size(); ++i)
    out.losses.width[grid.widths[i]] = alone("pruning", only(&PlanRow::width, grid.widths[i]));
  for (size_t i = 1; i < grid.mlps.size(); ++i)
    out.losses.mlp[grid.mlps[i]] = alone("mlp", only(&PlanRow::mlp, grid.mlps[i]));
  for (size_t i = 1; i < grid.mergings.size(); ++i)
    out.losses.merging[grid.mergings[i]] = alone("merging", only(&PlanRow::merging, grid.mergings[i]));
  if (grid.int8.size() > 1) out.losses.int8 = alone("int8", only(&PlanRow::int8, true));
  return out;
}

Measured measure(CandidateTable table, const Candidates& chosen, const std::vector<Budget>& budgets,
                 const std::vector<int64_t>& batches, const Instruments& instruments) {
  Measured out;
  {
    Progress progress("candidates", static_cast<int64_t>(chosen.size()), "models");
    for (const size_t i : chosen) {
      PlanRow& row = table.candidates[i].row;
      row.measured_kl = instruments.loss(row);
      if (moves_of(row) > 1) out.combinations.push_back({row, row.kl, *row.measured_kl});
      progress.advance();
    }
  }
  if (instruments.time) {
    std::vector<ModelSpec> specs;
    for (const size_t i : chosen) specs.push_back(table.candidates[i].spec);
    for (const int64_t batch : batches) {
      const TimedModels timed = instruments.time(batch, specs);
      for (size_t i = 0; i < chosen.size(); ++i) {
        PlanRow& row = table.candidates[chosen[i]].row;
        if (batch == batches.front()) row.measured_latency = timed.seconds[i];
        for (const Budget& budget : budgets) {
          // A share refers to the dense model as measured now, in the same rounds.
          if (budget.batch == batch && !holds(budget, timed.seconds[i], timed.dense)) row.holds = false;
        }
      }
    }
  }
  out.table = std::move(table);
  return out;
}

Measured measure_until_held(CandidateTable table, const std::vector<Budget>& budgets,
                            const std::vector<int64_t>& batches, const Instruments& instruments,
                            const MeasureOptions& options) {
  Measured out;
  const std::vector<double> limits = table.allowed();
  std::vector<double> most = limits;
  int holding = 0;
  for (int attempt = 0; attempt < kMostAttempts && holding < options.wanted; ++attempt) {
    table = with_front(std::move(table), most);
    const Candidates ordered = within_by_loss(table, most);
    Candidates chosen = next_of_front(table, ordered, options.wanted - holding);
    if (attempt == 0) {
      for (const size_t i : beside_front(table, ordered, options.spread)) {
        if (std::find(chosen.begin(), chosen.end(), i) == chosen.end()) chosen.push_back(i);
      }
    }
    if (chosen.empty()) break;
    Measured now = measure(std::move(table), chosen, budgets, batches, instruments);
    table = std::move(now.table);
    out.combinations.insert(out.combinations.end(), now.combinations.begin(), now.combinations.end());
    holding = 0;
    for (const size_t i : measured_by_loss(table)) holding += table.candidates[i].row.holds;
    if (std::all_of(chosen.begin(), chosen.end(), [&](size_t i) { return table.candidates[i].row.holds; }))
      break;
    const double ratio = slowdown(table);
    for (size_t i = 0; i < most.size(); ++i) {
      if (budgets[i].quantity == Quantity::kLatency) most[i] = limits[i] / ratio;
    }
    char text[160];
    std::snprintf(text, sizeof text,
                  "the measured latency of candidates is %.2f times the prediction (median), and some exceed "
                  "the budget; trying others",
                  ratio);
    log_info(text);
    out.notes.emplace_back(text);
  }
  if (holding == 0) {
    throw std::invalid_argument(
        "no candidate was measured within the budget, though some were predicted to be; raise the latency "
        "budget or run on a quieter machine");
  }
  out.table = std::move(table);
  return out;
}

}  // namespace vitrim::plan
