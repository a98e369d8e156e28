#include "model/executor.h"

namespace vitrim::model {

const architecture::Executor& executor() {
  static const architecture::Executor self = {
      "LibTorch's path",
      "",
      {"vit", "swin", "flatten_swin", "pvt", "pvt_v2", "cswin"},
      {AttentionKind::kSoftmax, AttentionKind::kWindow, AttentionKind::kFocusedLinear,
       AttentionKind::kCrossShapedWindow, AttentionKind::kCrossFocusedLinear, AttentionKind::kStatic},
      {"activation", "gated_mlp", "focusing_factor", "filter_size", "segmentation", "blocks.window",
       "blocks.shift", "blocks.sr_ratio", "blocks.merge", "blocks.filter", "blocks.per_head_filters",
       "blocks.int8", "blocks.int4"}};
  return self;
}

}  // namespace vitrim::model
