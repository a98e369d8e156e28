// Sets divided over ranks: every set once, costs as the prefix tree counts them, parts of about the same
// cost.

#include "../../src/absorb/set_shares.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "vitrim/select/prefix_tree.h"

namespace vitrim::absorb {
namespace {

using select::LayerSet;

std::vector<LayerSet> sets_of_size(int layers, int size) {
  std::vector<LayerSet> sets;
  for (int bits = 0; bits < 1 << layers; ++bits) {
    LayerSet set;
    for (int i = 0; i < layers; ++i) {
      if (bits >> i & 1) set.push_back(i);
    }
    if (size < 0 || static_cast<int>(set.size()) == size) sets.push_back(set);
  }
  return sets;
}

// Nodes of the prefix tree at or above the first removed layer of their path.
int64_t evaluations_of_tree(const std::vector<LayerSet>& sets, int layers) {
  const select::PrefixTree tree(sets, layers);
  int64_t count = 0;
  std::vector<std::pair<int, bool>> todo = {{0, false}};
  while (!todo.empty()) {
    const auto [index, changed] = todo.back();
    todo.pop_back();
    for (int child : tree.nodes()[index].children) {
      const bool now = changed || tree.nodes()[child].removed;
      count += now;
      todo.push_back({child, now});
    }
  }
  return count;
}

TEST(SetShares, EvaluationsAreThoseOfTheTree) {
  for (int size : {-1, 0, 1, 2, 3}) {
    std::vector<LayerSet> sets = sets_of_size(6, size);
    std::reverse(sets.begin(), sets.end());
    EXPECT_EQ(divide_sets(sets, 6, 1).evaluations, evaluations_of_tree(sets, 6)) << size;
    EXPECT_EQ(divide_sets(sets, 6, 3).evaluations, evaluations_of_tree(sets, 6)) << size;
  }
}

TEST(SetShares, EverySetOnce) {
  const std::vector<LayerSet> sets = sets_of_size(6, 3);
  for (int ranks : {1, 2, 3, 7, 50}) {
    const SetShares shares = divide_sets(sets, 6, ranks);
    ASSERT_EQ(shares.sets.size(), static_cast<size_t>(ranks));
    std::vector<int> all;
    for (const auto& part : shares.sets) all.insert(all.end(), part.begin(), part.end());
    std::sort(all.begin(), all.end());
    ASSERT_EQ(all.size(), sets.size());
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<int>(i));
  }
}

// A part is over its fair share by at most the set that crosses the limit (up to 12 blocks) and the prefix
// that it walks again (up to 12).
TEST(SetShares, PartsCostAboutTheSame) {
  const std::vector<LayerSet> sets = sets_of_size(12, 3);
  for (int ranks : {2, 4, 8}) {
    const SetShares shares = divide_sets(sets, 12, ranks);
    for (const auto& part : shares.sets) {
      std::vector<LayerSet> own;
      for (int index : part) own.push_back(sets[static_cast<size_t>(index)]);
      EXPECT_LE(evaluations_of_tree(own, 12), shares.evaluations / ranks + 24) << ranks;
    }
  }
}

TEST(SetShares, NothingToDivide) {
  EXPECT_EQ(divide_sets({}, 4, 2).evaluations, 0);
  const SetShares empty_set = divide_sets({LayerSet{}}, 4, 2);
  EXPECT_EQ(empty_set.evaluations, 0);
  EXPECT_EQ(empty_set.sets[0].size(), 1u);
}

}  // namespace
}  // namespace vitrim::absorb
