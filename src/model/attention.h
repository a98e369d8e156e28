#pragma once
// The computation of a kind of attention. There is one file per kind; attention.cpp lists them.
// architecture/attention.h describes the parameters and regions; docs/attention.md adds a kind by example.

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

/// What one call of attend() should do, in addition to or instead of computing all tokens.
struct AttendRequest {
  at::Tensor tokens;     ///< int64 [T]: compute these queries only; undefined: all
  at::Tensor qk_gate;    ///< [num_heads, qk_dim]: factors on query-key channels; undefined: none
  at::Tensor log_sizes;  ///< [B, N]: added to the scores of every key (proportional attention); undefined:
                         ///< none. Only for softmax attention
  at::Tensor* mean_keys =
      nullptr;  ///< receives the mean of the keys over heads, [B, N, qk_dim]. Only for softmax attention
};

/// A kind of attention, without state.
class Attention {
 public:
  virtual ~Attention() = default;
  /// x [B, N, C], the output of the norm in the compute dtype -> the input of the last projection, [B, N,
  /// v_width], or [B, T, v_width] for T tokens. The caller applies the gate on v.
  virtual at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                            const AttendRequest& request) const = 0;
  /// Queries and keys as attention multiplies them (query_keys.h), for measurements; x as in attend().
  virtual std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                            const at::Tensor& x) const = 0;
};

/// The implementation of a kind; throws std::invalid_argument for kNone.
const Attention& attention_of(AttentionKind kind);

// One per file.
const Attention& softmax_attention();
const Attention& window_attention();
const Attention& focused_linear_attention();
const Attention& cross_shaped_window_attention();
const Attention& cross_focused_linear_attention();
const Attention& static_attention();

}  // namespace vitrim::model
