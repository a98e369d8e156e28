#include "model/attention.h"

#include <stdexcept>

namespace vitrim::model {

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
    case AttentionKind::kCrossShapedWindow:
      return cross_shaped_window_attention();
    case AttentionKind::kCrossFocusedLinear:
      return cross_focused_linear_attention();
    case AttentionKind::kStatic:
      return static_attention();
  }
  throw std::invalid_argument("[model::attention_of] this block has no attention");
}

}  // namespace vitrim::model
