#pragma once
// The regions of a map within which attention works: windows, shifted windows, stripes, or the whole map.

#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

/// The tokens of a map region by region, with regions row by row. For shifted windows the map is rolled
/// first.
struct Regions {
  Grid map, region;
  int64_t shift = 0;
  int64_t count = 1;           ///< regions per map
  std::vector<int32_t> order;  ///< token of the map at each place; empty if the order is that of the map

  Regions() = default;
  Regions(Grid map, Grid region, int64_t shift);
  int64_t size() const { return region.size(); }
  /// Calls work(place, token, length) for runs of consecutive tokens among the places [begin, end), which are
  /// numbered through the maps of all images.
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
  /// In a shifted map, the last windows contain tokens from opposite edges. 0: the region has none; else bit
  /// 0: it is in the last row of windows, bit 1: in the last column.
  int edge_of(int64_t region_index) const;
  /// Whether two tokens of a region with this edge value are on the same side.
  bool meet(int edge, int64_t a, int64_t b) const;
};

}  // namespace vitrim::runtime
