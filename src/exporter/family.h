#pragma once
// The beginning of a family's graph, its steps between stages, and its end. Blocks are equal in all families
// (onnx.cpp).

#include "exporter/layer_builder.h"
#include "exporter/merging.h"

namespace vitrim::exporter {

class FamilyGraph {
 public:
  virtual ~FamilyGraph() = default;
  /// pixel_values [B, channels, H, W] -> the stream before block 0, float32 [B, N, C].
  virtual Value embed(LayerBuilder& layers, const Value& pixels) const = 0;
  /// From the end of stage `stage` - 1 to the stream before the first block of `stage`.
  virtual Value transition(LayerBuilder& layers, int stage, const Value& x) const = 0;
  /// The stream after the last block -> features [B, C], and their logits if there is a classifier.
  virtual Value finish(LayerBuilder& layers, const Value& x, const MergedStream& merged) const = 0;
};

/// Throws std::invalid_argument if the family is not known.
const FamilyGraph& family_of(const ModelSpec& spec);

// One per file.
const FamilyGraph& vit_family();
const FamilyGraph& swin_family();
const FamilyGraph& flatten_swin_family();
const FamilyGraph& pvt_family();
const FamilyGraph& pvt_v2_family();
const FamilyGraph& cswin_family();

/// Average over all tokens, and the linear classifier `head`, which follow the last norm in all families
/// except ViT.
Value classify_average(LayerBuilder& layers, const Value& x, const std::string& head);
/// The classifier on features [B, C], float32. Without a classifier it returns the features, which are
/// normalised first if the model has no norm.
Value classify(LayerBuilder& layers, const Value& features, const std::string& head);

}  // namespace vitrim::exporter
