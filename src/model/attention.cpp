#include "model/attention.h"

#include <stdexcept>

#include "model/family.h"

namespace vitrim::model {

AttentionSite attention_site(const ModelSpec& spec, int block) {
  const Family& family = family_of(spec);
  return {spec,
          spec.blocks[static_cast<size_t>(block)],
          spec.block_grid(block),
          spec.prefix_tokens(),
          family.attention_prefix(spec, block),
          family.separate_q(),
          spec.attention_tokens(block)};
}

const Attention& attention_of(AttentionKind kind) {
  switch (kind) {
    case AttentionKind::kNone:
      break;
    case AttentionKind::kSoftmax:
      return softmax_attention();
    case AttentionKind::kWindow:
      return window_attention();
    case AttentionKind::kFocusedLinear:
      return focused_linear_attention();
    case AttentionKind::kCrossWindow:
      return cross_window_attention();
    case AttentionKind::kCrossFocusedLinear:
      return cross_focused_linear_attention();
    case AttentionKind::kStatic:
      return static_attention();
  }
  throw std::invalid_argument("[model::attention_of] this block has no attention");
}

}  // namespace vitrim::model
