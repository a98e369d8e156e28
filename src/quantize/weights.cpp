#include "vitrim/quantize/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quantize/weight_rows.h"

namespace vitrim::quantize {

namespace {

constexpr float kMost = 127;  // -128 is not used, so that a layer and its negative are treated alike
constexpr int kFirst = 85, kLast = 110;  // range of the scales to try, in hundredths of max / 127
constexpr int kLanes = 8;                // number of independent sums, for the compiler's vectors

// The integer for w, given 1 / scale.
float stands_for(float w, float steps) {
  const float q = nearest_whole(w * steps);
  return q > kMost ? kMost : q < -kMost ? -kMost : q;
}

// The sum of value(i) over a row.
template <typename Value>
double row_sum(int64_t width, Value&& value) {
  double sum = 0;
  int64_t i = 0;
  constexpr int64_t kTogether = 512;  // number of values that are summed in float32
  while (i + kLanes <= width) {
    float part[kLanes] = {};
    const int64_t end = std::min(width - width % kLanes, i + kTogether);
    for (; i < end; i += kLanes) {
      for (int lane = 0; lane < kLanes; ++lane) part[lane] += value(i + lane);
    }
    for (const float p : part) sum += static_cast<double>(p);
  }
  for (; i < width; ++i) sum += static_cast<double>(value(i));
  return sum;
}

// Quantises one row: writes its integers and returns their scale.
float quantize_row(const float* w, int64_t width, int8_t* out) {
  float largest = 0;
  for (int64_t i = 0; i < width; ++i) largest = std::max(largest, std::abs(w[i]));
  const float usual = largest / kMost > 0 ? largest / kMost : 1;  // also if it would underflow
  float best = usual;
  double least = std::numeric_limits<double>::infinity();
  for (int percent = kFirst; percent <= kLast; ++percent) {
    const float scale = usual * static_cast<float>(percent) / 100, steps = 1 / scale;
    if (!std::isfinite(steps)) continue;
    const double error = row_sum(width, [&](int64_t i) {
      const float off = w[i] - stands_for(w[i], steps) * scale;
      return off * off;
    });
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  const float steps = 1 / best;
  double squares = 0, product = 0;
  for (int64_t i = 0; i < width; ++i) {
    const float q = std::isfinite(steps) ? stands_for(w[i], steps) : 0;
    out[i] = static_cast<int8_t>(q);
    squares += static_cast<double>(q * q);
    product += static_cast<double>(w[i]) * static_cast<double>(q);
  }
  const float refitted = static_cast<float>(product / squares);
  return squares > 0 && refitted > 0 ? refitted : best;
}

}  // namespace

QuantizedWeight quantize_weight(const at::Tensor& weight) { return quantize_rows_of(weight, quantize_row); }

at::Tensor dequantized(const QuantizedWeight& weight) { return weight.values.to(at::kFloat) * weight.scale; }

}  // namespace vitrim::quantize
