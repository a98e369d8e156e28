#pragma once
// A model as a checkpoint for others: folded under timm's names, and as the dense model that timm's own class
// loads.

#include <string>

#include "vitrim/model/model.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::exporter {

/// The model less its stream gains, which go into the weights (surgery::fold_stream_gains). Weights that do
/// not change are shared with `model`.
surgery::SpecAndWeights folded(const model::Model& model);

/// A model that timm builds, and the weights that make it compute the same.
struct TimmModel {
  std::string class_name;  ///< "timm.models.vision_transformer.VisionTransformer"
  std::string arguments;   ///< of its constructor, JSON
  /// The spec of the dense model, and its weights under timm's names: exactly timm's state dict. The metadata
  /// holds class, arguments and spec.
  surgery::SpecAndWeights dense;
};

/// Makes the dense model that computes what `model` does, no faster than it was before it was compressed:
/// removed attention comes back with zero weights, cut channels as zeros at the end of their head (queries
/// take the change of softmax's scale, sqrt(head_dim / qk_dim)), MLPs are as wide as their widest. Stream
/// gains are folded. Outputs agree up to rounding. Throws std::invalid_argument where timm has no such class
/// (FLatten, PVT, CSwin) or its class can't compute it (merged tokens, heads wider than embed_dim /
/// num_heads, ...).
TimmModel timm_model(const model::Model& model);

}  // namespace vitrim::exporter
