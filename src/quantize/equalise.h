#pragma once
// Channel equalisation (Xiao et al. 2023, SmoothQuant): W x = (W diag(s)) (x / s), where x / s costs nothing
// or one multiplication.

#include <ATen/core/Tensor.h>

#include "quantize/work.h"

namespace vitrim::quantize {

/// Exponents that are tried: s_j = max|x_j|^a / max|W_j|^(1 - a); 0: s = 1.
inline constexpr double kExponents[] = {0, 0.25, 0.5, 0.75};

/// Whether what the unit reads can be divided channel by channel: by the norm before it (of qkv, where
/// nothing else reads that norm, and of fc1), by the rows of v (of proj, where attention is a weighted sum of
/// values and nothing else), or by factors on the input (fc2).
bool can_equalise(const ModelSpec& spec, const QuantizedUnit& unit);
/// s [in] for the largest magnitudes [in] of what the unit reads, and its weights as they are. Its geometric
/// mean is 1; channels that hold nothing have 1.
at::Tensor equalising_factors(const Work& work, const QuantizedUnit& unit, const at::Tensor& largest,
                              double exponent);
/// Divides what the unit reads by s and multiplies the columns of its weights.
void equalise(Work& work, const QuantizedUnit& unit, const at::Tensor& factors);

}  // namespace vitrim::quantize
