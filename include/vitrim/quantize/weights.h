#pragma once
// Quantises weights to 8-bit integers with one scale per output channel, or to 4 bits.

#include <ATen/core/Tensor.h>

namespace vitrim::quantize {

/// W ~ scale * values.
struct QuantizedWeight {
  at::Tensor values;  ///< int8 [out, in], from -127 to 127
  at::Tensor scale;   ///< float32 [out, 1], positive
};

/// Quantises W [out, in] float32 row by row. It tries scales from 0.85 to 1.1 times max |w| / 127, clips
/// weights beyond 127 steps, and takes the integers q with the smallest squared error; then it refits the
/// scale as <w, q> / <q, q>. A row of zeros gets the scale 1. Throws std::invalid_argument if a value is not
/// finite. Cost: 26 passes over W.
QuantizedWeight quantize_weight(const at::Tensor& weight);
/// Quantises W [out, in] float32 to 4 bits with one factor per 32 inputs: W[o, i] ~ s[o] m[o, i / 32] q[o,
/// i], with q from -7 to 7 and m from 1 to 15. `values` are the products m q and `scale` is s, so the layer
/// is computed like an 8-bit layer. Among all s with 7 bits from 0.7 to 1.1 times max |w| / (7 15), and all
/// m, it takes those with the smallest squared error; the values of a row have no common factor. Files store
/// 4 bits (vitrim/weights/int4.h). Throws as quantize_weight() does. Cost: about 150 passes over W.
QuantizedWeight quantize_weight_int4(const at::Tensor& weight);
/// scale * values, float32.
at::Tensor dequantized(const QuantizedWeight& weight);

}  // namespace vitrim::quantize
