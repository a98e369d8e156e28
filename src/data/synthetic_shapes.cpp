#include "data/synthetic_shapes.h"

#include <cstdlib>
#include <span>

namespace vitrim::data {
namespace {

struct Point {
  int64_t x, y;
};

// A regular star of radius 1024 with inner corners at radius 430.
constexpr Point kStarCorners[] = {{0, -1024}, {253, -348}, {974, -316}, {409, 133},   {602, 828},
                                  {0, 430},   {-602, 828}, {-409, 133}, {-974, -316}, {-253, -348}};
constexpr Point kTriangleCorners[] = {{0, -1000}, {940, 680}, {-940, 680}};
constexpr Point kArrowCorners[] = {{0, -1000},  {860, -80},  {330, -80}, {330, 920},
                                   {-330, 920}, {-330, -80}, {-860, -80}};
constexpr Point kHeartTip[] = {{-900, -60}, {900, -60}, {0, 980}};

/// Counts the edges to the right of the point (even-odd rule).
bool in_polygon(std::span<const Point> corners, int64_t x, int64_t y) {
  bool in = false;
  Point a = corners.back();
  for (const Point b : corners) {
    if ((a.y > y) != (b.y > y)) {
      // x < a.x + (y - a.y) (b.x - a.x) / (b.y - a.y), multiplied out so that nothing is rounded
      const int64_t height = b.y - a.y;
      const int64_t side = (x - a.x) * height - (y - a.y) * (b.x - a.x);
      if (height > 0 ? side < 0 : side > 0) in = !in;
    }
    a = b;
  }
  return in;
}

bool in_disc(int64_t x, int64_t y, int64_t radius) { return x * x + y * y <= radius * radius; }

}  // namespace

bool inside(Shape shape, int64_t x, int64_t y) {
  const int64_t ax = std::abs(x), ay = std::abs(y);
  switch (shape) {
    case Shape::kDisc:
      return in_disc(x, y, 880);
    case Shape::kSquare:
      return ax <= 780 && ay <= 780;
    case Shape::kTriangle:
      return in_polygon(kTriangleCorners, x, y);
    case Shape::kDiamond:
      return ax * 1020 + ay * 740 <= 740 * 1020;
    case Shape::kStar:
      return in_polygon(kStarCorners, x, y);
    case Shape::kPlus:
      return (ax <= 310 && ay <= 940) || (ay <= 310 && ax <= 940);
    case Shape::kHeart:
      return in_disc(ax - 450, y + 330, 500) || in_polygon(kHeartTip, x, y);
    case Shape::kCrescent:
      return in_disc(x, y, 960) && !in_disc(x - 440, y + 80, 760);
    case Shape::kArrow:
      return in_polygon(kArrowCorners, x, y);
    case Shape::kHourglass:
      return ay <= 900 && ax <= 90 + ay * 4 / 5;
    case Shape::kRing:
      return in_disc(x, y, 1000) && !in_disc(x, y, 560);
  }
  return false;
}

}  // namespace vitrim::data
