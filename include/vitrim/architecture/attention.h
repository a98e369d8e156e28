#pragma once
// What the kinds of attention are made of: the regions that heads work in, filters, and parameters. What they
// compute is each executor's own (docs/attention.md).

#include <string>
#include <vector>

#include "vitrim/architecture/stages.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

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

/// Tokens that keys and values come from, and their map where none were merged.
int64_t num_keys(const AttentionSite& site);
Grid key_grid(const AttentionSite& site);

/// The heads that share regions of the map and parameters beside the projections: all of a block, or half of
/// CSwin's (half of the heads work in stripes that go down the map, half in stripes across; without stripes
/// all heads see the whole map).
struct AttentionBranch {
  std::string names;  ///< "blocks.0.attn.", "stage1.0.attns.0."
  int64_t head_begin = 0, heads = 0;
  Grid region;  ///< a window, a stripe, or the whole map
};
std::vector<AttentionBranch> attention_branches(const AttentionSite& site);

/// Attention in which a depthwise filter of v, `get_v` of side kPositionFilter, tells positions (CSwin's
/// LePE).
bool has_position_filter(AttentionKind kind);
inline constexpr int64_t kPositionFilter = 3;
/// Attention in windows with `relative_position_bias_table`, [(2 window - 1)^2, num_heads] (Swin).
bool has_relative_positions(AttentionKind kind);

}  // namespace vitrim::architecture
