#pragma once
// Code that quantisation of weights to 8 and to 4 bits shares.

#include <ATen/ATen.h>

#include <cstdint>
#include <stdexcept>

#include "vitrim/model/batches.h"
#include "vitrim/quantize/weights.h"

namespace vitrim::quantize {

/// The nearest integer, ties to even, for magnitudes below 2^22.
inline float nearest_whole(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23
  return x + kShift - kShift;
}

/// Quantises the rows of a weight independently, on all cores: row(w, width, values) writes integers and
/// returns their scale. Throws std::invalid_argument if a value is not finite.
template <typename Row>
QuantizedWeight quantize_rows_of(const at::Tensor& weight, const Row& row) {
  const at::NoGradGuard no_grad;
  if (weight.dim() != 2)
    throw std::invalid_argument("[quantize::quantize_weight] a weight has two dimensions");
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  if (!at::isfinite(w).all().item<bool>())
    throw std::invalid_argument("[quantize::quantize_weight] a weight is not finite");
  const int64_t rows = w.size(0), width = w.size(1);
  QuantizedWeight out{at::empty({rows, width}, at::kChar), at::empty({rows, 1})};
  const float* from = w.const_data_ptr<float>();
  int8_t* values = out.values.data_ptr<int8_t>();
  float* scale = out.scale.data_ptr<float>();
  model::for_each_batch(rows, 64, [&](int, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) scale[r] = row(from + r * width, width, values + r * width);
  });
  return out;
}

}  // namespace vitrim::quantize
