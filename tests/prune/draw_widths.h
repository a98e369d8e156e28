#pragma once
#include <cmath>
#include <vector>

#include "vitrim/core/random.h"
#include "vitrim/prune/channel_budget.h"

namespace vitrim::test {

/// Widths that meet the budget, with random preferences of the units.
inline std::vector<int64_t> draw_widths(const prune::ChannelBudget& budget, Random& random) {
  std::vector<double> liking;
  for (size_t u = 0; u < budget.units().size(); ++u) liking.push_back(4 * random.uniform() - 2);
  return budget.fit(
      [&](double shift) {
        std::vector<double> shares;
        for (double l : liking) shares.push_back(1 / (1 + std::exp(-l - shift)));
        return shares;
      },
      50);
}

}  // namespace vitrim::test
