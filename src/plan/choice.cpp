#include "vitrim/plan/choice.h"

#include <algorithm>

namespace vitrim::plan {

namespace {

// The kinds of move, in the order in which the best candidate of each is measured.
constexpr bool (*kKinds[])(const PlanRow&) = {
    [](const PlanRow& row) { return !row.removed.empty(); },
    [](const PlanRow& row) { return !row.fixed.empty(); },
    [](const PlanRow& row) { return row.width > 0; },
    [](const PlanRow& row) { return row.mlp > 0; },
    [](const PlanRow& row) { return row.merging.pairs > 0; },
    [](const PlanRow& row) { return row.int8; },
};

}  // namespace

CandidateTable with_front(CandidateTable table, const std::vector<double>& most) {
  Candidates inside;
  std::vector<std::vector<double>> points;
  for (size_t i = 0; i < table.candidates.size(); ++i) {
    Candidate& candidate = table.candidates[i];
    candidate.row.front = false;
    if (!within(candidate, most)) continue;
    inside.push_back(i);
    points.push_back(candidate.costs);
    points.back().push_back(candidate.row.kl);
  }
  const std::vector<bool> front = undominated(points);
  for (size_t i = 0; i < inside.size(); ++i) table.candidates[inside[i]].row.front = front[i];
  return table;
}

Candidates within_by_loss(const CandidateTable& table, const std::vector<double>& most) {
  Candidates out;
  for (size_t i = 0; i < table.candidates.size(); ++i) {
    if (within(table.candidates[i], most)) out.push_back(i);
  }
  std::stable_sort(out.begin(), out.end(), [&](size_t a, size_t b) {
    return table.candidates[a].row.kl < table.candidates[b].row.kl;
  });
  return out;
}

Candidates next_of_front(const CandidateTable& table, const Candidates& ordered, int wanted) {
  Candidates out;
  for (const size_t i : ordered) {
    const Candidate& candidate = table.candidates[i];
    if (static_cast<int>(out.size()) < wanted && candidate.row.front && !candidate.measured())
      out.push_back(i);
  }
  return out;
}

Candidates beside_front(const CandidateTable& table, const Candidates& ordered, int spread) {
  Candidates out;
  for (const auto& has : kKinds) {
    const auto best = std::find_if(ordered.begin(), ordered.end(), [&](size_t i) {
      const PlanRow& row = table.candidates[i].row;
      return has(row) && moves_of(row) == 1;
    });
    if (best != ordered.end()) out.push_back(*best);
  }
  Candidates combined;
  for (const size_t i : ordered) {
    if (moves_of(table.candidates[i].row) > 1) combined.push_back(i);
  }
  for (int i = 1; i <= spread && !combined.empty(); ++i)
    out.push_back(combined[static_cast<size_t>(i) * (combined.size() - 1) / static_cast<size_t>(spread + 1)]);
  return out;
}

int moves_of(const PlanRow& row) {
  return static_cast<int>(
      std::count_if(std::begin(kKinds), std::end(kKinds), [&](const auto& has) { return has(row); }));
}

double slowdown(const CandidateTable& table) {
  std::vector<double> slower;
  for (const auto& [row, spec, costs] : table.candidates) {
    if (row.measured_kl && row.latency && row.measured_latency)
      slower.push_back(*row.measured_latency / *row.latency);
  }
  std::sort(slower.begin(), slower.end());
  return slower.empty() ? 1.0 : std::max(1.0, slower[slower.size() / 2]);
}

Candidates measured_by_loss(const CandidateTable& table) {
  Candidates out;
  for (size_t i = 0; i < table.candidates.size(); ++i) {
    if (table.candidates[i].measured()) out.push_back(i);
  }
  std::sort(out.begin(), out.end(), [&](size_t a, size_t b) {
    return *table.candidates[a].row.measured_kl < *table.candidates[b].row.measured_kl;
  });
  return out;
}

ListedRows list_rows(CandidateTable table, const std::vector<double>& most) {
  table = with_front(std::move(table), most);
  ListedRows out;
  for (const size_t i : within_by_loss(table, most)) {
    const Candidate& candidate = table.candidates[i];
    const bool shown = candidate.row.front || candidate.measured();
    (shown ? out.shown : out.dominated).push_back(candidate.row);
  }
  return out;
}

}  // namespace vitrim::plan
