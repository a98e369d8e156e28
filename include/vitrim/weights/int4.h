#pragma once
// The format of 4-bit weights in files (docs/quantization.md).
//
// A layer's weight is W = s[o] v[o, i] with integers v = m[o, g] q[o, i], |v| <= 127. q is from -8 to 7
// (vitrim writes -7 to 7), and m is a factor per group g of 32 inputs (architecture::kInt4Group). Models and
// engines hold v and s, as for every int8 layer. A file holds, as in compressed-tensors' "pack-quantized"
// format,
//   NAME.weight_packed  I32 [out, ceil(in / 8)]: q + 8 in 4 bits each, the first input in the lowest ones
//   NAME.weight_scale   float [out, ceil(in / 32)]: the products s m, exact; F16 if it can represent them
//   NAME.weight_shape   I64 [2]: out, in
// where s is the largest number such that all scales of a row are multiples of it by 1 to 127.

#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::weights {

/// Replaces, for every layer that `spec` lists under int4, these three tensors by NAME.weight (int8) and
/// NAME.weight_scale (float32 [out, 1]). Throws FormatError if a tensor is missing, has another dtype or
/// shape, or holds scales that are not integer multiples of one number.
void unpack_int4(const ModelSpec& spec, checkpoint::Checkpoint& file);

/// The inverse of unpack_int4(). Throws std::invalid_argument if the values of a group are not multiples of
/// one number by -7 to 7; only quantize::quantize_weight_int4() and unpack_int4() create such weights.
void pack_int4(const ModelSpec& spec, checkpoint::Checkpoint& state);

}  // namespace vitrim::weights
