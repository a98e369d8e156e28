#pragma once
// Layers in int8 (docs/quantization.md): which can be, and what they compute. The engine's kernels do the
// same arithmetic.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "vitrim/architecture/parameters.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::model {

/// Rows as an int8 layer reads them: x_q = round(x 127 / max |x|), ties to even, of every row by itself.
struct QuantizedRows {
  at::Tensor values;   ///< float32 [.., in], whole numbers from -127 to 127
  at::Tensor factors;  ///< float32 [.., 1]: max |x| / 127, NaN where a value is
};
QuantizedRows quantize_rows(const at::Tensor& x);

/// Whether LibTorch multiplies bytes exactly here, and then several times as fast as float32: where there
/// are instructions for it that do not saturate, and a trial with the largest numbers says so.
bool multiplies_bytes();

/// y = (sum x_q w) factor scale + bias for x float32 [.., in], w [out, in] whole numbers from -127 to 127 as
/// float32, or as int8 where multiplies_bytes(), scale [out, 1], bias [out] or undefined -> float32 [..,
/// out]. The sums are exact: float32 holds those of 1024 products, and those are added as integers.
at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& scale,
                            const at::Tensor& bias);

}  // namespace vitrim::model
