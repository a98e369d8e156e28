// Rotation, shear and translation, with Pillow's arithmetic (float64, truncated). Compiled without fused
// multiply-adds, so that the result is the same everywhere.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "data/pixel_ops.h"

namespace vitrim::data {
namespace {

/// Four lanes per pixel, the last one unused, so that a pixel fits into one or two vector registers.
constexpr int64_t kLanes = 4;
using Lanes = std::array<double, kLanes>;

/// The image with its outermost pixels repeated twice around it, so that kernels need no bounds checks.
class Bordered {
 public:
  explicit Bordered(const Image& image) : stride_((image.width + 2 * kBorder) * kLanes) {
    values_.resize((image.height + 2 * kBorder) * stride_);
    for (int64_t y = -kBorder; y < image.height + kBorder; ++y) {
      const uint8_t* row =
          image.pixels.data() + std::clamp<int64_t>(y, 0, image.height - 1) * image.width * 3;
      float* out = values_.data() + (y + kBorder) * stride_;
      for (int64_t x = -kBorder; x < image.width + kBorder; ++x, out += kLanes) {
        const uint8_t* rgb = row + std::clamp<int64_t>(x, 0, image.width - 1) * 3;
        for (int c = 0; c < 3; ++c) out[c] = rgb[c];
      }
    }
  }
  const float* at(int64_t y, int64_t x) const {
    return values_.data() + (y + kBorder) * stride_ + (x + kBorder) * kLanes;
  }
  int64_t stride() const { return stride_; }

 private:
  static constexpr int64_t kBorder = 2;
  int64_t stride_;
  std::vector<float> values_;
};

/// Keys' cubic convolution with a = -1 through four values, at position d in [0, 1) between the middle two.
double cubic(double v1, double v2, double v3, double v4, double d) {
  const double p2 = -v1 + v3;
  const double p3 = 2 * (v1 - v2) + v3 - v4;
  const double p4 = -v1 + v2 - v3 + v4;
  return v2 + d * (p2 + d * (p3 + d * p4));
}

struct Bicubic {
  static Lanes sample(const Bordered& image, int64_t y, int64_t x, double dy, double dx) {
    const float* p = image.at(y - 1, x - 1);
    std::array<Lanes, 4> rows;
    for (int r = 0; r < 4; ++r, p += image.stride()) {
      for (int c = 0; c < kLanes; ++c) {
        rows[r][c] = cubic(p[c], p[c + kLanes], p[c + 2 * kLanes], p[c + 3 * kLanes], dx);
      }
    }
    Lanes result;
    for (int c = 0; c < kLanes; ++c) {
      result[c] = std::clamp(cubic(rows[0][c], rows[1][c], rows[2][c], rows[3][c], dy), 0.0, 255.0);
    }
    return result;
  }
};

struct Bilinear {
  static Lanes sample(const Bordered& image, int64_t y, int64_t x, double dy, double dx) {
    const float* p = image.at(y, x);
    const float* q = p + image.stride();
    Lanes result;
    for (int c = 0; c < kLanes; ++c) {
      const double top = p[c] + (p[c + kLanes] - p[c]) * dx;
      const double bottom = q[c] + (q[c + kLanes] - q[c]) * dx;
      result[c] = top + (bottom - top) * dy;
    }
    return result;
  }
};

template <class Kernel>
Image transform(const Image& image, const std::array<double, 6>& m, const std::array<uint8_t, 3>& fill) {
  const Bordered source(image);
  Image result{image.height, image.width, std::vector<uint8_t>(image.pixels.size())};
  uint8_t* out = result.pixels.data();
  const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
  for (int64_t row = 0; row < image.height; ++row) {
    const double y_in = static_cast<double>(row) + 0.5;
    for (int64_t column = 0; column < image.width; ++column, out += 3) {
      const double x_in = static_cast<double>(column) + 0.5;
      const double x = m[0] * x_in + m[1] * y_in + m[2];
      const double y = m[3] * x_in + m[4] * y_in + m[5];
      if (!(x >= 0 && x < width && y >= 0 && y < height)) {
        std::copy(fill.begin(), fill.end(), out);
        continue;
      }
      const double x_center = x - 0.5, y_center = y - 0.5;  // at least -0.5, so that the floor is easy
      const int64_t x0 = x_center < 0 ? -1 : static_cast<int64_t>(x_center);
      const int64_t y0 = y_center < 0 ? -1 : static_cast<int64_t>(y_center);
      const Lanes value = Kernel::sample(source, y0, x0, y_center - static_cast<double>(y0),
                                         x_center - static_cast<double>(x0));
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(static_cast<int>(value[c]));
    }
  }
  return result;
}

/// Rounds to 15 decimals, as Pillow does, so that the cosine of a quarter turn is 0.
double round15(double value) {
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 15).ptr;
  double rounded = value;
  std::from_chars(text.data(), end, rounded);
  return rounded;
}

}  // namespace

Image affine(const Image& image, const std::array<double, 6>& m, const Sampling& sampling) {
  if (image.pixels.empty()) return image;
  return sampling.interpolation == Interpolation::kBicubic ? transform<Bicubic>(image, m, sampling.fill)
                                                           : transform<Bilinear>(image, m, sampling.fill);
}

Image rotate(const Image& image, double degrees, const Sampling& sampling) {
  degrees = std::fmod(degrees, 360.0);
  if (degrees < 0) degrees += 360.0;
  const double angle = -(degrees * (std::numbers::pi / 180.0));
  const double cosine = round15(std::cos(angle)), sine = round15(std::sin(angle)),
               minus_sine = round15(-std::sin(angle));
  const double x = static_cast<double>(image.width) / 2.0, y = static_cast<double>(image.height) / 2.0;
  return affine(image,
                {cosine, sine, cosine * -x + sine * -y + 0.0 + x,  //
                 minus_sine, cosine, minus_sine * -x + cosine * -y + 0.0 + y},
                sampling);
}

}  // namespace vitrim::data
