#pragma once
// A model as a checkpoint for other programs: folded under timm's names, and as the dense model that timm's
// own class loads.

#include <string>

#include "vitrim/model/model.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::exporter {

/// The model with its stream gains folded into the weights (surgery::fold_stream_gains). Weights that do not
/// change are shared with `model`.
surgery::SpecAndWeights folded(const model::Model& model);

/// A model that timm can build, and weights with which it computes the same as vitrim's model.
struct TimmModel {
  std::string class_name;  ///< "timm.models.vision_transformer.VisionTransformer"
  std::string arguments;   ///< arguments of its constructor, as JSON
  /// The spec of the dense model, and its weights under timm's names: exactly timm's state dict. The metadata
  /// contains class, arguments and spec.
  surgery::SpecAndWeights dense;
};

/// Makes a dense model with the same outputs as `model`, which is as slow as the model before compression.
/// Removed attention comes back with zero weights. Pruned channels come back as zeros at the end of their
/// head; queries take the change of softmax's scale, sqrt(head_dim / qk_dim). All MLPs get the width of the
/// widest. Stream gains are folded. Outputs agree up to rounding. Throws std::invalid_argument if timm has no
/// such class (FLatten, PVT, CSwin), or if its class can't compute the model (merged tokens, heads wider than
/// embed_dim / num_heads, ...).
TimmModel timm_model(const model::Model& model);

}  // namespace vitrim::exporter
