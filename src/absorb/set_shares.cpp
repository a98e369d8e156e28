#include "absorb/set_shares.h"

#include <algorithm>
#include <numeric>

namespace vitrim::absorb {
namespace {

// The first block at which two sets differ; num_layers if they are equal.
int first_difference(const select::LayerSet& a, const select::LayerSet& b, int num_layers) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return std::min(in_a == a.end() ? num_layers : *in_a, in_b == b.end() ? num_layers : *in_b);
}

// The order of the tree's leaves, in which neighbours share the longest prefixes: ascending lists, where a
// longer list comes before its prefix.
bool before_in_tree(const select::LayerSet& a, const select::LayerSet& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() || in_b == b.end()) return in_a != a.end();
  return *in_a < *in_b;
}

}  // namespace

SetShares divide_sets(const std::vector<select::LayerSet>& sets, int num_layers, int ranks) {
  std::vector<int> order(sets.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return before_in_tree(sets[static_cast<size_t>(a)], sets[static_cast<size_t>(b)]);
  });
  std::vector<int64_t> costs;
  const select::LayerSet* previous = nullptr;
  for (int index : order) {
    const select::LayerSet& set = sets[static_cast<size_t>(index)];
    const int shared = previous != nullptr ? first_difference(*previous, set, num_layers) : 0;
    costs.push_back(num_layers - std::max(shared, set.empty() ? num_layers : set.front()));
    previous = &set;
  }
  SetShares shares{std::vector<std::vector<int>>(static_cast<size_t>(ranks)),
                   std::accumulate(costs.begin(), costs.end(), int64_t{0})};
  int64_t before = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t rank =
        std::min<int64_t>(ranks - 1, before * ranks / std::max<int64_t>(1, shares.evaluations));
    shares.sets[static_cast<size_t>(rank)].push_back(order[i]);
    before += costs[i];
  }
  return shares;
}

}  // namespace vitrim::absorb
