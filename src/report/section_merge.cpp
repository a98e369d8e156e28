#include "report/sections.h"

namespace vitrim::report {

void merge_section(Page& page, const Inputs& inputs) {
  bool any = false;
  for (const auto& item : inputs.compresses) any |= item.value.compressed_spec.merges();
  if (!any) return;
  page.section("merged", "Merged tokens", "Tokens");
  for (const auto& item : inputs.compresses) {
    const ModelSpec& spec = item.value.compressed_spec;
    if (!spec.merges()) continue;
    page.subheading(item.label);
    Table table(
        "Tokens in the attention and MLP of each block",
        {num("Block"), num("Tokens at the attention"), num("Pairs merged"), num("Tokens at the MLP")});
    for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
      const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
      table.row(
          {num(std::to_string(i)),
           num(block.attention == AttentionKind::kNone ? "\u2013" : std::to_string(spec.attention_tokens(i))),
           num(std::to_string(block.merge)), num(std::to_string(spec.mlp_tokens(i)))},
          block.merge > 0);
    }
    if (item.value.pictures.empty()) {
      page.raw(table.html());
      continue;
    }
    nlohmann::json pictures = nlohmann::json::array();
    for (const MergedPicture& picture : item.value.pictures) {
      pictures.push_back(
          {{"name", file_name(picture.name)}, {"image", picture.image}, {"place", picture.place}});
    }
    page.figure({"merged",
                 "Merged patches",
                 "Tokens of calibration images after the last block. Patches of one colour are one token; "
                 "white lines separate tokens. Patches without a tint were not merged.",
                 {{"pictures", pictures}, {"columns", spec.stage_grid(0).width}},
                 table.html()});
  }
}

}  // namespace vitrim::report
