#pragma once
// How a family's graph begins, goes from stage to stage and ends. Blocks are the same everywhere (onnx.cpp).

#include "exporter/layer_builder.h"
#include "exporter/merging.h"

namespace vitrim::exporter {

class FamilyGraph {
 public:
  virtual ~FamilyGraph() = default;
  /// pixel_values [B, channels, H, W] -> the stream before block 0, float32 [B, N, C].
  virtual Value embed(LayerBuilder& layers, const Value& pixels) const = 0;
  /// From the end of stage - 1 to the stream before the first block of `stage`.
  virtual Value transition(LayerBuilder& layers, int stage, const Value& x) const = 0;
  /// The stream after the last block -> features [B, C], and their logits where there is a classifier.
  virtual Value finish(LayerBuilder& layers, const Value& x, const MergedStream& merged) const = 0;
};

/// Throws std::invalid_argument where the family is not known.
const FamilyGraph& family_of(const ModelSpec& spec);

// One a file.
const FamilyGraph& vit_family();
const FamilyGraph& swin_family();
const FamilyGraph& flatten_swin_family();
const FamilyGraph& pvt_family();
const FamilyGraph& pvt_v2_family();
const FamilyGraph& cswin_family();

/// Average over all tokens, and the linear classifier `head`: what all families but ViT do after their last
/// norm.
Value classify_average(LayerBuilder& layers, const Value& x, const std::string& head);
/// The classifier of features [B, C], float32; without one the features, which a model without any norm
/// normalises for that.
Value classify(LayerBuilder& layers, const Value& features, const std::string& head);

}  // namespace vitrim::exporter
