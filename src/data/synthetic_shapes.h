#pragma once
// The shapes of the synthetic set, as point-in-shape tests in integers.

#include <cstdint>

namespace vitrim::data {

/// In class order; the ring is only the cue, not a class.
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

/// Whether the point is inside the shape, which fits into a circle of radius 1024 around the origin; y points
/// down.
bool inside(Shape shape, int64_t x, int64_t y);

}  // namespace vitrim::data
