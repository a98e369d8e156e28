#pragma once
// Weights as 8-bit integers with a scale per output channel.

#include <ATen/core/Tensor.h>

namespace vitrim::quantize {

/// W ~ scale * values.
struct QuantizedWeight {
  at::Tensor values;  ///< int8 [out, in], from -127 to 127
  at::Tensor scale;   ///< float32 [out, 1], positive
};

/// W [out, in] float32, row by row: scales from 0.85 to 1.1 of max |w| / 127 are tried, weights beyond 127
/// steps cut off, and of the whole numbers with the least squared error the scale is refitted, <w, q> / <q,
/// q>. A row of zeros gets the scale 1. Throws std::invalid_argument where a value is not finite. Cost: 26
/// passes over W.
QuantizedWeight quantize_weight(const at::Tensor& weight);
/// scale * values, float32.
at::Tensor dequantized(const QuantizedWeight& weight);

}  // namespace vitrim::quantize
