#pragma once
// Queries and keys of a block, and what module architecture says of its channels and its cost.

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "vitrim/architecture/channels.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::model {

class Model;

using architecture::can_prune;
using architecture::channel_slices;
using architecture::ChannelGroup;
using architecture::ChannelSlice;
using architecture::qk_fold;
using architecture::QkFold;

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

using architecture::attention_macs;
using architecture::classifier_macs;
using architecture::embedding_macs;
using architecture::mlp_macs;
using architecture::total_macs;

}  // namespace vitrim::model
