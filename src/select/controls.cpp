#include "vitrim/select/controls.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <stdexcept>

#include "select/combinations.h"
#include "vitrim/core/random.h"

namespace vitrim::select {
namespace {

[[noreturn]] void fail_controls(const std::string& what) {
  throw std::invalid_argument("[select::control_plans] " + what);
}

LayerSet random_set(const std::vector<int>& candidates, int count, Random& random) {
  const std::vector<int64_t> order = permutation(static_cast<int64_t>(candidates.size()), random);
  LayerSet set;
  for (int i = 0; i < count; ++i) set.push_back(candidates[order[i]]);
  std::sort(set.begin(), set.end());
  return set;
}

LayerSet least_norm_set(const std::vector<int>& candidates, int count, const std::vector<double>& norms) {
  LayerSet order = candidates;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    if (std::isnan(norms[a]) || std::isnan(norms[b])) return !std::isnan(norms[a]) && std::isnan(norms[b]);
    return norms[a] < norms[b];
  });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

std::vector<CompressionPlan> control_plans(const std::vector<int>& candidates, int count,
                                           const std::vector<double>& norms, int random_seeds,
                                           uint64_t seed) {
  std::vector<int> sorted = candidates;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    fail_controls("a candidate is named twice");
  if (!sorted.empty() && sorted.front() < 0) fail_controls("a candidate is negative");
  const int total = static_cast<int>(sorted.size());
  if (count < 0 || count > total) {
    fail_controls("cannot remove " + std::to_string(count) + " layers: " + std::to_string(total) +
                  " have attention");
  }
  if (random_seeds < 0) fail_controls("random_seeds is negative");
  if (!norms.empty() && !sorted.empty() && static_cast<size_t>(sorted.back()) >= norms.size()) {
    fail_controls("there are " + std::to_string(norms.size()) + " norms, none for layer " +
                  std::to_string(sorted.back()));
  }
  std::vector<CompressionPlan> plans;
  // The same set twice would count as two samples, so sets are drawn until a new one comes, unless there are
  // no more.
  const int64_t draws = combinations(total, count, random_seeds);
  std::set<LayerSet> drawn;
  for (int64_t i = 1; i <= draws; ++i) {
    Random random(seed, static_cast<uint64_t>(i));
    LayerSet set = random_set(sorted, count, random);
    while (!drawn.insert(set).second) set = random_set(sorted, count, random);
    plans.push_back({set, "random " + std::to_string(i)});
  }
  plans.push_back({{sorted.begin(), sorted.begin() + count}, "first-k"});
  plans.push_back({{sorted.end() - count, sorted.end()}, "last-k"});
  if (!norms.empty()) plans.push_back({least_norm_set(sorted, count, norms), "least-norm"});
  return plans;
}

}  // namespace vitrim::select
