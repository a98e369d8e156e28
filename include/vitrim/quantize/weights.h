#pragma once
// Weights as 8-bit integers with a scale per output channel, and those of 4 bits.

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
/// The same with numbers of 4 bits and a factor of every 32 inputs, W[o, i] ~ s[o] m[o, i / 32] q[o, i], q
/// from -7 to 7, m from 1 to 15: `values` are the products m q, and `scale` is s, so that such a layer is
/// computed as one of 8 bits. Of every s that 7 bits hold, from 0.7 to 1.1 of max |w| / (7 15), and every m,
/// those with the least squared error are taken; a row's values have no common factor. Files hold 4 bits
/// (vitrim/weights/int4.h). Throws as quantize_weight(). Cost: about 150 passes over W.
QuantizedWeight quantize_weight_int4(const at::Tensor& weight);
/// scale * values, float32.
at::Tensor dequantized(const QuantizedWeight& weight);

}  // namespace vitrim::quantize
