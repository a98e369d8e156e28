#include <algorithm>

#include "report/sections.h"

namespace vitrim::report {
namespace {

// The cost of one branch of a block.
struct BranchCost {
  int64_t params = 0, macs = 0;
};
BranchCost attention(const BlockCost& cost) { return {cost.attention_params, cost.attention_macs}; }
BranchCost mlp(const BlockCost& cost) {
  return {cost.params - cost.attention_params, cost.macs - cost.attention_macs};
}

std::string shape(const BlockSpec& block) {
  if (block.attention == AttentionKind::kNone) return "none";
  if (block.attention == AttentionKind::kStatic) {
    return "static, " + std::to_string(block.num_heads * block.v_dim) + " channels, " +
           std::to_string(block.filter) + " \u00d7 " + std::to_string(block.filter);
  }
  std::string text = std::to_string(block.num_heads) + " heads \u00d7 " + std::to_string(block.qk_dim);
  if (block.v_dim != block.qk_dim) text += " (v " + std::to_string(block.v_dim) + ")";
  return text;
}

nlohmann::json branch(const BranchCost& dense, const BranchCost& now) {
  return {
      {"params", now.params}, {"macs", now.macs}, {"denseParams", dense.params}, {"denseMacs", dense.macs}};
}

}  // namespace

void model_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.compresses) any |= !item.value.dense_blocks.empty();
  if (!any) return;
  page.section("model", "The model, block by block", "Model");
  for (const auto& item : inputs.compresses) {
    const ModelSpec& dense = item.value.dense_spec;
    const ModelSpec& now = item.value.compressed_spec;
    const std::vector<BlockCost>& before = item.value.dense_blocks;
    const std::vector<BlockCost>& after = item.value.compressed_blocks;
    if (before.empty() || before.size() != after.size() || before.size() != dense.blocks.size() ||
        before.size() != now.blocks.size())
      continue;
    page.subheading(item.label);
    nlohmann::json blocks = nlohmann::json::array();
    Table table(
        "Parameters and multiply-adds of each block, dense and compressed",
        {num("Block"), "Attention", num("Attention parameters"), num("dense"), num("Attention MACs"),
         num("dense"), num("MLP width"), num("MLP parameters"), num("dense"), num("MLP MACs"), num("dense")});
    for (size_t i = 0; i < before.size(); ++i) {
      const bool removed = before[i].attention_macs > 0 && after[i].attention_macs == 0;
      blocks.push_back({{"block", i},
                        {"removed", removed},
                        {"shape", shape(now.blocks[i])},
                        {"denseShape", shape(dense.blocks[i])},
                        {"mlpWidth", now.blocks[i].mlp_dim},
                        {"attention", branch(attention(before[i]), attention(after[i]))},
                        {"mlp", branch(mlp(before[i]), mlp(after[i]))}});
      const auto cost = [](int64_t value) { return num(compact(static_cast<double>(value))); };
      table.row({num(std::to_string(i)), removed ? "removed" : shape(now.blocks[i]),
                 cost(after[i].attention_params), cost(before[i].attention_params),
                 cost(after[i].attention_macs), cost(before[i].attention_macs),
                 num(std::to_string(now.blocks[i].mlp_dim)), cost(mlp(after[i]).params),
                 cost(mlp(before[i]).params), cost(mlp(after[i]).macs), cost(mlp(before[i]).macs)},
                removed);
    }
    page.figure({"model",
                 "What was removed",
                 "The model from the image (block 0) to the classifier: every block has an attention layer, "
                 "where image patches exchange "
                 "information, and an MLP, which processes each patch separately; the height of a cell is "
                 "its share of the multiply-adds. Hollow, struck-out cells are removed attention layers; "
                 "their blocks keep only the MLP.",
                 {{"blocks", blocks},
                  {"tokens", dense.num_tokens()},
                  {"classes", dense.num_classes},
                  {"name", dense.name}},
                 table.html()});
  }
}

}  // namespace vitrim::report
