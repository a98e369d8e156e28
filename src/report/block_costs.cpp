#include "report/block_costs.h"

namespace vitrim::report {

std::vector<BlockCost> block_costs(const ModelSpec& spec) {
  const int64_t tokens = spec.num_tokens();
  std::vector<BlockCost> costs;
  for (const BlockSpec& block : spec.blocks) {
    const int64_t width = block.embed_dim, scale = spec.layer_scale ? width : 0;
    BlockCost cost;
    if (block.attention != AttentionKind::kNone) {
      const int64_t qk = block.num_heads * block.qk_dim, v = block.num_heads * block.v_dim;
      cost.attention.params = 2 * width + width * (2 * qk + v) + (spec.qkv_bias ? 2 * qk + v : 0) +
                              v * width + width + scale + (spec.qk_norm ? 4 * block.qk_dim : 0);
      cost.attention.macs = tokens * width * (2 * qk + 2 * v) + tokens * tokens * (qk + v);
    }
    cost.mlp.params = 2 * width + 2 * width * block.mlp_dim + block.mlp_dim + width + scale;
    cost.mlp.macs = 2 * tokens * width * block.mlp_dim;
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace vitrim::report
