#pragma once
// What a kind of attention computes. One file a kind; attention.cpp lists them. What it is made of,
// parameters and regions, says architecture/attention.h; docs/attention.md adds one by example.

#include <string>
#include <vector>

#include "vitrim/architecture/attention.h"
#include "vitrim/model/model.h"
#include "vitrim/model/query_keys.h"

namespace vitrim::model {

using architecture::attention_branches;
using architecture::attention_site;
using architecture::AttentionBranch;
using architecture::AttentionSite;

/// What one call of attend() is asked for beyond all tokens' answer.
struct AttendRequest {
  at::Tensor tokens;     ///< int64 [T]: these queries only; undefined: all
  at::Tensor qk_gate;    ///< [num_heads, qk_dim]: factors on query-key channels; undefined: none
  at::Tensor log_sizes;  ///< [B, N]: added to the scores of every key (proportional attention); undefined:
                         ///< none. Softmax only
  at::Tensor* mean_keys = nullptr;  ///< takes the mean over heads of the keys, [B, N, qk_dim]. Softmax only
};

/// A kind of attention, without state.
class Attention {
 public:
  virtual ~Attention() = default;
  /// x [B, N, C], the norm's output in the compute dtype -> what the last projection reads, [B, N, v_width],
  /// or [B, T, v_width] at T tokens. The gate on v is the caller's.
  virtual at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                            const AttendRequest& request) const = 0;
  /// Queries and keys as they meet (channels.h), for those who measure; x as in attend().
  virtual std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                            const at::Tensor& x) const = 0;
};

/// The implementation of a kind; std::invalid_argument for kNone.
const Attention& attention_of(AttentionKind kind);

// One a file.
const Attention& softmax_attention();
const Attention& window_attention();
const Attention& focused_linear_attention();
const Attention& cross_shaped_window_attention();
const Attention& cross_focused_linear_attention();
const Attention& static_attention();

}  // namespace vitrim::model
