// Pillow's antialiased resize: a separable filter whose support grows with the reduction, weights in fixed
// point, and 8 bits between the passes. Integer sums make the result the same on all machines, and equal to
// Pillow's.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

/// Weights have 22 fraction bits: 8 bits of pixel and 2 of headroom for overshoot make 32.
constexpr int kFractionBits = 22;

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

/// Keys' cubic convolution kernel with a = -0.5.
double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

/// The input of one output position along one axis: positions first .. first + weights.size() - 1.
struct Tap {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Tap> make_taps(int64_t in, int64_t out, Interpolation interpolation) {
  const bool cubic = interpolation == Interpolation::kBicubic;
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch =
      std::max(scale, 1.0);  // antialiasing: wider when shrinking, never narrower than the kernel
  const double support = (cubic ? 2.0 : 1.0) * stretch;
  const double inverse = 1.0 / stretch;
  std::vector<Tap> taps(out);
  std::vector<double> exact;
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(static_cast<int64_t>(std::floor(center - support + 0.5)), 0);
    const int64_t end = std::min<int64_t>(static_cast<int64_t>(std::floor(center + support + 0.5)), in);
    exact.clear();
    double sum = 0;
    for (int64_t j = begin; j < end; ++j) {
      const double x = (static_cast<double>(j) - center + 0.5) * inverse;
      exact.push_back(cubic ? bicubic(x) : bilinear(x));
      sum += exact.back();
    }
    taps[i].first = begin;
    for (double weight : exact) {
      const double fixed = (sum != 0.0 ? weight / sum : weight) * (1 << kFractionBits);
      taps[i].weights.push_back(
          static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));  // half away from zero
    }
  }
  return taps;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

Image resize_width(const Image& image, int64_t width, Interpolation interpolation) {
  const auto taps = make_taps(image.width, width, interpolation);
  Image result{image.height, width, std::vector<uint8_t>(image.height * width * 3)};
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* row = image.pixels.data() + y * image.width * 3;
    uint8_t* out = result.pixels.data() + y * width * 3;
    for (const Tap& tap : taps) {
      int32_t r = kHalf, g = kHalf, b = kHalf;
      const uint8_t* pixel = row + tap.first * 3;
      for (const int32_t weight : tap.weights) {
        r += weight * pixel[0];
        g += weight * pixel[1];
        b += weight * pixel[2];
        pixel += 3;
      }
      *out++ = to_byte(r);
      *out++ = to_byte(g);
      *out++ = to_byte(b);
    }
  }
  return result;
}

Image resize_height(const Image& image, int64_t height, Interpolation interpolation) {
  const auto taps = make_taps(image.height, height, interpolation);
  const int64_t row_bytes = image.width * 3;
  Image result{height, image.width, std::vector<uint8_t>(height * row_bytes)};
  std::vector<int32_t> sums(row_bytes);  // whole rows at a time, so that the inner loop vectorises
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const uint8_t* row = image.pixels.data() + taps[y].first * row_bytes;
    for (const int32_t weight : taps[y].weights) {
      for (int64_t x = 0; x < row_bytes; ++x) sums[x] += weight * row[x];
      row += row_bytes;
    }
    std::transform(sums.begin(), sums.end(), result.pixels.begin() + y * row_bytes, to_byte);
  }
  return result;
}

}  // namespace

Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation) {
  if (height < 1 || width < 1 || image.height < 1 || image.width < 1) {
    throw std::invalid_argument("[data::resize] both images need at least one pixel, but " +
                                std::to_string(image.width) + " x " + std::to_string(image.height) + " to " +
                                std::to_string(width) + " x " + std::to_string(height) + " was requested");
  }
  // Horizontal first, then vertical; a pass that changes nothing is skipped to avoid rounding.
  if (width == image.width) {
    return height == image.height ? image : resize_height(image, height, interpolation);
  }
  const Image narrow = resize_width(image, width, interpolation);
  return height == image.height ? narrow : resize_height(narrow, height, interpolation);
}

}  // namespace vitrim::data
