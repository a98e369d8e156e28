#pragma once
// Queries and keys of a block, as they meet.

#include <ATen/core/Tensor.h>

#include <vector>

namespace vitrim::model {

class Model;

/// Queries and keys as they meet, region by region (a window, a stripe, the whole map); of focused linear
/// attention after its kernel phi.
struct QueryKeys {
  at::Tensor q;  ///< [regions, heads, n, qk_dim] float32
  at::Tensor k;  ///< [regions, heads, m, qk_dim]
  int64_t head_begin = 0;
};
/// Of block `block` for a stream x [B, N, C] as the block sees it (BlockTrace::input). Empty where there is
/// no attention.
std::vector<QueryKeys> query_keys(const Model& model, int block, const at::Tensor& x);

}  // namespace vitrim::model
