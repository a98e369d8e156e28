#include "exporter/executor.h"

namespace vitrim::exporter {

const architecture::Executor& executor() {
  static const architecture::Executor self = {
      "the ONNX writer",
      "",
      {"vit", "swin", "flatten_swin", "pvt", "pvt_v2", "cswin"},
      {AttentionKind::kSoftmax, AttentionKind::kWindow, AttentionKind::kFocusedLinear,
       AttentionKind::kCrossShapedWindow, AttentionKind::kCrossFocusedLinear, AttentionKind::kStatic},
      {"activation", "gated_mlp", "focusing_factor", "filter_size", "blocks.window", "blocks.shift",
       "blocks.sr_ratio", "blocks.merge", "blocks.filter", "blocks.per_head_filters", "blocks.int8",
       "blocks.int4"}};
  return self;
}

const architecture::Executor& checkpoint_executor() {
  static const architecture::Executor self = [] {
    architecture::Executor out = executor();
    out.name = "the checkpoint writer";
    for (const char* field : {"blocks.int8", "blocks.int4"}) out.fields.erase(field);
    return out;
  }();
  return self;
}

const architecture::Executor& timm_executor() {
  static const architecture::Executor self = {"timm's class",
                                              "use --format onnx or safetensors",
                                              {"vit", "swin"},
                                              {AttentionKind::kSoftmax, AttentionKind::kWindow},
                                              {"blocks.window", "blocks.shift", "blocks.merge"}};
  return self;
}

}  // namespace vitrim::exporter
