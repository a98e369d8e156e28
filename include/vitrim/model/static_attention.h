#pragma once
// What fits need to know of static attention (AttentionKind::kStatic). In place of attention, v = W_v LN1(x)
// as before, then fixed weights:
//   patch at place s, channel c:   sum_d filter[c, d] v[s + d, c] + sum_f shares[c, 0, f] source[f, c]
//   prefix token p, channel c:     sum_f shares[c, 1 + p, f] source[f, c]
// with source[0] the mean of v over the map and source[1 + p] v of prefix token p; then the last projection.
// The map has zeros around it.

#include <ATen/core/Tensor.h>

#include "vitrim/model/model.h"

namespace vitrim::model {

/// The values v that static attention weighs, for a stream x [B, N, C] as the block sees it
/// (BlockTrace::input): float32 [B, N, num_heads * v_dim]. Throws std::invalid_argument where the block's
/// attention is another kind.
at::Tensor static_values(const Model& model, int block, const at::Tensor& x);
/// Replaces a static block's filters [num_heads * v_dim, side, side] and shares [num_heads * v_dim, 1 +
/// prefix tokens, 1 + prefix tokens]; std::invalid_argument as above, and on other shapes.
void set_static_weights(Model& model, int block, const at::Tensor& filter, const at::Tensor& shares);

}  // namespace vitrim::model
