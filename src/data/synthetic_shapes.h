#pragma once
// The shapes of the synthetic set, as inside tests in whole numbers.

#include <cstdint>

namespace vitrim::data {

/// In class order; the ring is the cue and no class.
enum class Shape {
  kDisc,
  kSquare,
  kTriangle,
  kDiamond,
  kStar,
  kPlus,
  kHeart,
  kCrescent,
  kArrow,
  kHourglass,
  kRing
};

/// Whether the point lies inside the shape, which fits a circle of radius 1024 around the origin; y points
/// down.
bool inside(Shape shape, int64_t x, int64_t y);

}  // namespace vitrim::data
