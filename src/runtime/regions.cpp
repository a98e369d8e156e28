#include "runtime/regions.h"

namespace vitrim::runtime {

Regions::Regions(Grid whole, Grid part, int64_t by) : map(whole), region(part), shift(by) {
  const int64_t down = map.height / region.height, across = map.width / region.width;
  count = down * across;
  if (shift == 0 && region.width == map.width) return;
  order.reserve(static_cast<size_t>(map.size()));
  for (int64_t i = 0; i < down; ++i) {
    for (int64_t j = 0; j < across; ++j) {
      for (int64_t y = 0; y < region.height; ++y) {
        for (int64_t x = 0; x < region.width; ++x) {
          const int64_t line = (i * region.height + y + shift) % map.height,
                        column = (j * region.width + x + shift) % map.width;
          order.push_back(static_cast<int32_t>(line * map.width + column));
        }
      }
    }
  }
}

int Regions::edge_of(int64_t region_index) const {
  if (shift == 0) return 0;
  const int64_t across = map.width / region.width, at = region_index % count;
  return (at / across == map.height / region.height - 1 ? 1 : 0) + (at % across == across - 1 ? 2 : 0);
}

bool Regions::meet(int edge, int64_t a, int64_t b) const {
  auto beyond = [&](int64_t place, int64_t length) { return place >= length - shift; };
  const int64_t width = region.width;
  if ((edge & 1) != 0 && beyond(a / width, region.height) != beyond(b / width, region.height)) return false;
  return (edge & 2) == 0 || beyond(a % width, width) == beyond(b % width, width);
}

}  // namespace vitrim::runtime
