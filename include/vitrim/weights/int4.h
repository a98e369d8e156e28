#pragma once
// Weights of 4 bits as files hold them (docs/quantization.md).
//
// A layer's weight is W = s[o] v[o, i] with whole numbers v = m[o, g] q[o, i]: q from -8 to 7 (vitrim writes
// -7 to 7), a factor m of every group g of 32 inputs (architecture::kInt4Group), |v| <= 127. Models and
// engines hold v and s, as of every int8 layer. A file holds, as compressed-tensors' "pack-quantized" does,
//   NAME.weight_packed  I32 [out, ceil(in / 8)]: q + 8 in 4 bits each, the first input in the lowest ones
//   NAME.weight_scale   float [out, ceil(in / 32)]: the products s m, exactly; F16 where it holds them
//   NAME.weight_shape   I64 [2]: out, in
// and s is the largest number of which a row's scales are whole multiples from 1 to 127.

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::weights {

/// Puts NAME.weight (int8) and NAME.weight_scale (float32 [out, 1]) in place of the three tensors of every
/// layer that `spec` names under int4. Throws FormatError where a tensor is missing, has another dtype or
/// shape, or holds scales that are no whole multiples of one number.
void unpack_int4(const ModelSpec& spec, checkpoint::Checkpoint& file);

/// The way back. Throws std::invalid_argument where the values of a group are no multiples of one number with
/// factors from -7 to 7: nothing but quantize::quantize_weight_int4() and unpack_int4() makes such weights.
void pack_int4(const ModelSpec& spec, checkpoint::Checkpoint& state);

}  // namespace vitrim::weights
