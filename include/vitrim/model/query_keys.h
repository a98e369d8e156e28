#pragma once
// Queries and keys of a block, for scores of channels.

#include <ATen/core/Tensor.h>

#include <vector>

namespace vitrim::model {

class Model;

/// Queries and keys in the form in which attention multiplies them, region by region (a window, a stripe, or
/// the whole map). For focused linear attention they are taken after its kernel function phi.
struct QueryKeys {
  at::Tensor q;  ///< [regions, heads, n, qk_dim] float32
  at::Tensor k;  ///< [regions, heads, m, qk_dim]
  int64_t head_begin = 0;
};
/// Queries and keys of block `block` for a stream x [B, N, C] as the block reads it (BlockTrace::input).
/// Empty if the block has no attention.
std::vector<QueryKeys> query_keys(const Model& model, int block, const at::Tensor& x);

}  // namespace vitrim::model
