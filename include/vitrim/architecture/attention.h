#pragma once
// The structure of each kind of attention: the regions that heads work in, filters, and parameters. Each
// executor implements what they compute (docs/attention.md).

#include <string>
#include <vector>

#include "vitrim/architecture/stages.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The position of an attention layer in a model, and what follows from it.
struct AttentionSite {
  const ModelSpec& spec;
  const BlockSpec& block;
  Grid grid;          ///< the map of patch tokens
  int64_t prefix;     ///< tokens before the map
  std::string names;  ///< prefix of its parameters' names: "blocks.0.attn."
  bool separate_q;    ///< `q` and `kv` instead of `qkv`
  int64_t stream;     ///< tokens that queries come from: the prefix tokens and the map, minus the tokens that
                      ///< blocks below merged
  int64_t tokens() const { return stream; }
  int64_t qk_width() const { return block.num_heads * block.qk_dim; }
  int64_t v_width() const { return block.num_heads * block.v_dim; }
};
AttentionSite attention_site(const ModelSpec& spec, int block);

/// The number of tokens that keys and values come from, and their map if no tokens were merged.
int64_t num_keys(const AttentionSite& site);
Grid key_grid(const AttentionSite& site);

/// A group of heads that share regions of the map, and the parameters other than the projections. Most kinds
/// have one branch with all heads of a block. CSwin has two: half of its heads work in stripes that go down
/// the map, half in stripes across. Without stripes all heads attend over the whole map.
struct AttentionBranch {
  std::string names;  ///< "blocks.0.attn.", "stage1.0.attns.0."
  int64_t head_begin = 0, heads = 0;
  Grid region;  ///< a window, a stripe, or the whole map
};
std::vector<AttentionBranch> attention_branches(const AttentionSite& site);

/// Whether this kind adds positions by `get_v`, a depthwise filter of v with side kPositionFilter (CSwin's
/// LePE).
bool has_position_filter(AttentionKind kind);
inline constexpr int64_t kPositionFilter = 3;
/// Whether this kind is attention in windows with a `relative_position_bias_table`, [(2 window - 1)^2,
/// num_heads] (Swin).
bool has_relative_positions(AttentionKind kind);

}  // namespace vitrim::architecture
