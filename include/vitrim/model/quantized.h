#pragma once
// The arithmetic of int8 layers (docs/quantization.md). The engine's kernels compute the same.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "vitrim/architecture/parameters.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::model {

/// The quantised input of an int8 layer. Each row is quantised by itself: x_q = round(x 127 / max |x|), ties
/// to even.
struct QuantizedRows {
  at::Tensor values;   ///< float32 [.., in], whole numbers from -127 to 127
  at::Tensor factors;  ///< float32 [.., 1]: max |x| / 127; NaN if the row contains NaN
};
QuantizedRows quantize_rows(const at::Tensor& x);

/// Whether LibTorch can multiply bytes exactly on this CPU, which is then several times as fast as float32.
/// It needs instructions that do not saturate, and a trial with the largest numbers confirms it.
bool multiplies_bytes();

/// A linear layer in int8: y = (sum x_q w) factor scale + bias -> float32 [.., out]. x is float32 [.., in]; w
/// [out, in] holds integers from -127 to 127, as float32 or, if multiplies_bytes(), as int8; scale is [out,
/// 1]; bias is [out] or undefined. The sums are exact: float32 represents the sum of 1024 products exactly,
/// and these partial sums are added as integers.
at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& bias);

}  // namespace vitrim::model
