#pragma once
// How a family's graph begins, goes from stage to stage and ends. Blocks are the same everywhere (onnx.cpp).

#include "export/layers.h"
#include "export/merging.h"

namespace vitrim::exporter {

class Family {
 public:
  virtual ~Family() = default;
  /// pixel_values [B, channels, H, W] -> the stream before block 0, float32 [B, N, C].
  virtual Value embed(Layers& layers, const Value& pixels) const = 0;
  /// From the end of stage - 1 to the stream before the first block of `stage`.
  virtual Value transition(Layers& layers, int stage, const Value& x) const = 0;
  /// The stream after the last block -> features [B, C], and their logits where there is a classifier.
  virtual Value finish(Layers& layers, const Value& x, const MergedStream& merged) const = 0;
};

/// Throws std::invalid_argument where the family is not known.
const Family& family_of(const ModelSpec& spec);

// One a file.
const Family& vit_family();
const Family& swin_family();
const Family& flatten_swin_family();
const Family& pvt_family();
const Family& pvt_v2_family();
const Family& cswin_family();

/// Average over all tokens, and the linear classifier `head`: what all families but ViT do after their last
/// norm.
Value classify_average(Layers& layers, const Value& x, const std::string& head);
/// The classifier of features [B, C], float32; without one the features, which a model without any norm
/// normalises for that.
Value classify(Layers& layers, const Value& features, const std::string& head);

}  // namespace vitrim::exporter
