#pragma once
// Channel equalisation (Xiao et al. 2023, SmoothQuant): W x = (W diag(s)) (x / s), where x / s costs nothing
// or one multiplication.

#include <ATen/core/Tensor.h>

#include "quantize/work.h"

namespace vitrim::quantize {

/// The exponents that are tried: s_j = max|x_j|^a / max|W_j|^(1 - a); 0: s = 1.
inline constexpr double kExponents[] = {0, 0.25, 0.5, 0.75};

/// Whether the unit's input can be divided channel by channel: by the norm before it (for qkv, if nothing
/// else reads that norm, and for fc1), by the rows of v (for proj, if attention is only a weighted sum of
/// values), or by factors on the input (for fc2).
bool can_equalise(const ModelSpec& spec, const QuantizedUnit& unit);
/// s [in] for the largest magnitudes [in] of the unit's input and for its current weights. Its geometric mean
/// is 1; channels that are always zero get 1.
at::Tensor equalising_factors(const Work& work, const QuantizedUnit& unit, const at::Tensor& largest,
                              double exponent);
/// Divides the unit's input by s and multiplies the columns of its weights by s.
void equalise(Work& work, const QuantizedUnit& unit, const at::Tensor& factors);

}  // namespace vitrim::quantize
