#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <vector>

#include "quantize/weight_rows.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/quantize/weights.h"

namespace vitrim::quantize {

namespace {

constexpr int64_t kGroup = architecture::kInt4Group;
constexpr float kMostInt4 = 7;   // -8 is not used, so that a layer and its negative are treated alike
constexpr int kMostFactor = 15;  // 4 bits; with 7 bits of the scale, F16 represents the products
constexpr int kScaleBits = 7;
constexpr float kLowest = 0.7f, kHighest = 1.1f;  // range of the scales to try, relative to max |w| / (7 15)

// The 4-bit number for w, given 1 / step.
float int4_of(float w, float steps) {
  const float q = nearest_whole(w * steps);
  return q > kMostInt4 ? kMostInt4 : q < -kMostInt4 ? -kMostInt4 : q;
}

// The squared error of a group of 32.
float group_error(const float* w, float step) {
  constexpr int kTogether = 8;
  float part[kTogether] = {};
  const float steps = 1 / step;
  for (int64_t i = 0; i < kGroup; i += kTogether) {
    for (int lane = 0; lane < kTogether; ++lane) {
      const float off = w[i + lane] - int4_of(w[i + lane], steps) * step;
      part[lane] += off * off;
    }
  }
  return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

struct Int4Row {
  double error = std::numeric_limits<double>::infinity();
  std::vector<int> factors;
};

// The best factors for a scale; stops when the error is not below `least`.
Int4Row with_scale(const float* w, const std::vector<float>& largest, float scale, double least) {
  Int4Row out;
  double sum = 0;
  for (size_t g = 0; g < largest.size(); ++g) {
    // A step of the group's largest value / 7 clips nothing; a step below 0.6 of that clips more than it
    // gains.
    const float most = largest[g] / (kMostInt4 * scale);
    const int last = std::clamp(static_cast<int>(std::ceil(most)), 1, kMostFactor),
              first = std::clamp(static_cast<int>(std::floor(0.6f * most)), 1, last);
    float best = std::numeric_limits<float>::infinity();
    int factor = first;
    for (int m = first; m <= last; ++m) {
      const float error = group_error(w + static_cast<int64_t>(g) * kGroup, static_cast<float>(m) * scale);
      if (error < best) {
        best = error;
        factor = m;
      }
    }
    sum += static_cast<double>(best);
    if (!(sum < least)) return {};
    out.factors.push_back(factor);
  }
  out.error = sum;
  return out;
}

// From a positive number to the next of kScaleBits significant bits.
float spacing(float x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0f, exponent - kScaleBits);
}

// Quantises one row: writes its integers and returns their scale.
float quantize_int4_row(const float* row, int64_t width, int8_t* out) {
  const auto groups = static_cast<size_t>((width + kGroup - 1) / kGroup);
  std::vector<float> w(groups * static_cast<size_t>(kGroup), 0.0f), largest(groups, 0.0f);
  std::copy_n(row, width, w.begin());
  for (size_t i = 0; i < w.size(); ++i)
    largest[i / static_cast<size_t>(kGroup)] =
        std::max(largest[i / static_cast<size_t>(kGroup)], std::abs(w[i]));
  const float usual =
      width > 0 ? *std::max_element(largest.begin(), largest.end()) / (kMostInt4 * kMostFactor) : 0.0f;
  std::fill_n(out, width, int8_t{0});
  // Steps below this would be outside of the normal numbers of float32.
  if (!(usual > 256 * std::numeric_limits<float>::min())) return 1;
  const float low = usual * kLowest;
  Int4Row best;
  float scale = usual;
  for (float candidate = std::ceil(low / spacing(low)) * spacing(low); candidate <= usual * kHighest;
       candidate += spacing(candidate)) {
    Int4Row found = with_scale(w.data(), largest, candidate, best.error);
    if (found.error < best.error) {
      best = std::move(found);
      scale = candidate;
    }
  }
  int common = 0;
  for (int64_t i = 0; i < width; ++i) {
    const int factor = best.factors[static_cast<size_t>(i / kGroup)];
    const int value = factor * static_cast<int>(int4_of(row[i], 1 / (static_cast<float>(factor) * scale)));
    out[i] = static_cast<int8_t>(value);
    common = std::gcd(common, std::abs(value));
  }
  if (common == 0) return 1;
  for (int64_t i = 0; i < width; ++i) out[i] = static_cast<int8_t>(out[i] / common);
  return scale * static_cast<float>(common);
}

}  // namespace

QuantizedWeight quantize_weight_int4(const at::Tensor& weight) {
  return quantize_rows_of(weight, quantize_int4_row);
}

}  // namespace vitrim::quantize
