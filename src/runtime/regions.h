#pragma once
// Parts of a map inside which attention works: windows, shifted windows, stripes, the whole map.

#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

/// A map's tokens region by region, regions row by row. The map may be rolled first, so that windows are
/// shifted.
struct Regions {
  Grid map, region;
  int64_t shift = 0;
  int64_t count = 1;           ///< regions of a map
  std::vector<int32_t> order;  ///< token of the map at each place; empty where the order is the map's

  Regions() = default;
  Regions(Grid map, Grid region, int64_t shift);
  int64_t size() const { return region.size(); }
  /// Calls work(place, token, length) for the consecutive tokens among places [begin, end), which are counted
  /// through the maps of all images.
  template <typename Work>
  void for_runs(int64_t begin, int64_t end, Work&& work) const {
    if (order.empty()) {
      if (begin < end) work(begin, begin, end - begin);
      return;
    }
    const int64_t tokens = map.size();
    for (int64_t i = begin; i < end;) {
      const int64_t first = i % tokens, image = i - first;
      const int32_t* at = order.data() + first;
      int64_t length = 1;
      while (i + length < end && first + length < tokens && at[length] == at[0] + length) ++length;
      work(i, image + at[0], length);
      i += length;
    }
  }
  /// Of a shifted map the last windows hold tokens from opposite edges. 0: a region without such; else bit 0:
  /// in the last row of windows, bit 1: in the last column.
  int edge_of(int64_t region_index) const;
  /// Whether two tokens of a region with that edge lie on the same side.
  bool meet(int edge, int64_t a, int64_t b) const;
};

}  // namespace vitrim::runtime
