#pragma once
// What a kind of attention must say of itself. One file a kind; attention.cpp lists them. docs/attention.md
// adds one by example.

#include <string>
#include <vector>

#include "vitrim/model/channels.h"
#include "vitrim/model/model.h"

namespace vitrim::model {

/// Where an attention layer stands.
struct AttentionSite {
  const ModelSpec& spec;
  const BlockSpec& block;
  Grid grid;          ///< the map of patch tokens
  int64_t prefix;     ///< tokens before the map
  std::string names;  ///< what its parameters' names begin with: "blocks.0.attn."
  bool separate_q;    ///< `q` and `kv` instead of `qkv`
  int64_t stream;     ///< tokens that queries come from: the prefix and the map, less what was merged below
  int64_t tokens() const { return stream; }
  int64_t qk_width() const { return block.num_heads * block.qk_dim; }
  int64_t v_width() const { return block.num_heads * block.v_dim; }
};
AttentionSite attention_site(const ModelSpec& spec, int block);

/// What one call of mix() is asked for beyond all tokens' answer.
struct MixRequest {
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
  /// Its parameters but the last projection: all are [.., qk_width] or [.., v_width] somewhere, so that they
  /// can be cut.
  virtual void add_parameters(const AttentionSite& site, std::vector<ParameterInfo>& out) const = 0;
  /// x [B, N, C], the norm's output in the compute dtype -> what the last projection reads, [B, N, v_width],
  /// or [B, T, v_width] at T tokens. The gate on v is the caller's.
  virtual at::Tensor mix(const Model& model, const AttentionSite& site, const at::Tensor& x,
                         const MixRequest& request) const = 0;
  /// Queries and keys as they meet (channels.h), for those who measure; x as in mix().
  virtual std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                            const at::Tensor& x) const = 0;
  /// Multiply-adds of one image, without the last projection.
  virtual int64_t macs(const AttentionSite& site) const = 0;
  /// Which slices of its parameters belong to which channels.
  virtual void add_channels(const AttentionSite& site, std::vector<ChannelSlice>& out) const = 0;
  /// How a factor on a query-key channel is folded into the weights.
  virtual QkFold qk_fold(const AttentionSite& site) const = 0;
};

/// The implementation of a kind; std::invalid_argument for kNone.
const Attention& attention_of(AttentionKind kind);

// One a file.
const Attention& softmax_attention();
const Attention& window_attention();
const Attention& focused_linear_attention();
const Attention& cross_window_attention();
const Attention& cross_focused_linear_attention();
const Attention& static_attention();

}  // namespace vitrim::model
