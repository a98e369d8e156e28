#include "exporter/executor.h"

namespace vitrim::exporter {

const architecture::Executor& executor() {
  static const architecture::Executor self = {
      "the writer",
      "",
      {"vit", "swin", "flatten_swin", "pvt", "pvt_v2", "cswin"},
      {AttentionKind::kSoftmax, AttentionKind::kWindow, AttentionKind::kFocusedLinear,
       AttentionKind::kCrossShapedWindow, AttentionKind::kCrossFocusedLinear, AttentionKind::kStatic},
      {"activation", "gated_mlp", "focusing_factor", "filter_size", "blocks.window", "blocks.shift",
       "blocks.sr_ratio", "blocks.merge", "blocks.filter", "blocks.per_head_filters"}};
  return self;
}

}  // namespace vitrim::exporter
