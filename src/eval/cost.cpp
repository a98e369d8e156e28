#include "vitrim/eval/cost.h"

#include "vitrim/model/model.h"

namespace vitrim::eval {

namespace {

int64_t block_index(const std::string& name) {
  return name.rfind("blocks.", 0) == 0 ? std::stoll(name.substr(7)) : -1;
}

bool is_attention(const std::string& name) {
  return name.find(".attn.") != std::string::npos || name.find(".norm1.") != std::string::npos ||
         name.find(".ls1.") != std::string::npos;
}

bool is_head(const std::string& name) {
  return name.rfind("norm.", 0) == 0 || name.rfind("fc_norm.", 0) == 0 || name.rfind("head", 0) == 0;
}

}  // namespace

ModelCost count_cost(const ModelSpec& spec) {
  ModelCost cost;
  cost.blocks.resize(spec.blocks.size());
  for (const model::ParameterInfo& info : model::parameter_layout(spec)) {
    int64_t count = 1;
    for (int64_t size : info.shape) count *= size;
    cost.params += count;
    const int64_t block = block_index(info.name);
    if (block >= 0) {
      cost.blocks[block].params += count;
      if (is_attention(info.name)) cost.blocks[block].attention_params += count;
    } else {
      (is_head(info.name) ? cost.head_params : cost.embed_params) += count;
    }
  }
  const int64_t tokens = spec.num_tokens(), dim = spec.embed_dim;
  cost.embed_macs = spec.grid_height() * spec.grid_width() * dim * spec.in_channels * spec.patch_size * spec.patch_size;
  cost.head_macs = dim * spec.num_classes * (spec.distillation_token ? 2 : 1);
  cost.macs = cost.embed_macs + cost.head_macs;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    const BlockSpec& block = spec.blocks[i];
    if (block.attention == AttentionKind::kSoftmax) {
      const int64_t widths = block.num_heads * (2 * block.qk_dim + block.v_dim);
      cost.blocks[i].attention_macs = tokens * dim * (widths + block.num_heads * block.v_dim) +
                                      tokens * tokens * block.num_heads * (block.qk_dim + block.v_dim);
    }
    cost.blocks[i].macs = cost.blocks[i].attention_macs + 2 * tokens * dim * block.mlp_dim;
    cost.macs += cost.blocks[i].macs;
  }
  return cost;
}

}  // namespace vitrim::eval
