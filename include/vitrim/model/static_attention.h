#pragma once
// Access to static attention (AttentionKind::kStatic), for fits. It replaces attention by fixed weights on
// the values v = W_v LN1(x):
//   patch at place s, channel c:   sum_d filter[c, d] v[s + d, c] + sum_f shares[c, 0, f] source[f, c]
//   prefix token p, channel c:     sum_f shares[c, 1 + p, f] source[f, c]
// where source[0] is the mean of v over the map and source[1 + p] is v of prefix token p. The last projection
// follows. The map is padded with zeros.

#include <ATen/core/Tensor.h>

#include "vitrim/model/model.h"

namespace vitrim::model {

/// The values v of a static attention block for a stream x [B, N, C] as the block reads it
/// (BlockTrace::input): float32 [B, N, num_heads * v_dim]. Throws std::invalid_argument if the block has
/// another kind of attention.
at::Tensor static_values(const Model& model, int block, const at::Tensor& x);
/// Replaces the filters [num_heads * v_dim, side, side] and shares [num_heads * v_dim, 1 + prefix tokens, 1 +
/// prefix tokens] of a static attention block. Throws std::invalid_argument if the block has another kind of
/// attention, and on other shapes.
void set_static_weights(Model& model, int block, const at::Tensor& filter, const at::Tensor& shares);

}  // namespace vitrim::model
