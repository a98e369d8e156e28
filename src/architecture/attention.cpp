#include "vitrim/architecture/attention.h"

namespace vitrim::architecture {

AttentionSite attention_site(const ModelSpec& spec, int block) {
  return {spec,
          spec.blocks[static_cast<size_t>(block)],
          spec.block_grid(block),
          spec.prefix_tokens(),
          attention_prefix(spec, block),
          separate_queries(spec),
          spec.attention_tokens(block)};
}

Grid key_grid(const AttentionSite& site) {
  return {site.grid.height / site.block.sr_ratio, site.grid.width / site.block.sr_ratio};
}

int64_t num_keys(const AttentionSite& site) {
  return site.block.sr_ratio == 1 ? site.tokens() : site.prefix + key_grid(site).size();
}

bool has_position_filter(AttentionKind kind) {
  return kind == AttentionKind::kCrossShapedWindow || kind == AttentionKind::kCrossFocusedLinear;
}

bool has_relative_positions(AttentionKind kind) { return kind == AttentionKind::kWindow; }

std::vector<AttentionBranch> attention_branches(const AttentionSite& site) {
  const int64_t heads = site.block.num_heads, width = site.block.window;
  if (!has_position_filter(site.block.attention))
    return {{site.names, 0, heads, width > 0 ? Grid{width, width} : site.grid}};
  if (width == 0) return {{site.names + "attns.0.", 0, heads, site.grid}};
  return {{site.names + "attns.0.", 0, heads / 2, {site.grid.height, width}},
          {site.names + "attns.1.", heads / 2, heads / 2, {width, site.grid.width}}};
}

}  // namespace vitrim::architecture
