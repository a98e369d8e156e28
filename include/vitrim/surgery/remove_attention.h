#pragma once
// Removes attention layers from (ModelSpec, weights), and folds the factor 2 of a fully diluted layer into
// the weights.

#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::surgery {

/// An architecture and its weights.
struct SpecAndWeights {
  ModelSpec spec;
  model::StateDict weights;
};

/// Removes norm1, attention and layer scale of each block in `layers`. `stream_gain` is the factor on the
/// block's stream afterwards: 1 for the `drop` mask (y = x), 2 for a diluted layer (y = 2x). Throws
/// std::invalid_argument on an index that does not exist, repeats, or has no attention.
SpecAndWeights remove_attention(const SpecAndWeights& model, const std::vector<int>& layers,
                                double stream_gain = 1.0);
/// The same for the spec only.
ModelSpec remove_attention(const ModelSpec& spec, const std::vector<int>& layers, double stream_gain = 1.0);

/// Makes every stream_gain 1: the gain is multiplied into all weights that write to the stream before such a
/// block. These are the patch embedding, tokens and position embedding (or norm_pre if there is one; in a
/// later stage the step that leads into it), and every earlier proj and fc2 of the stage (or its layer
/// scale). LayerNorm cancels the scale, so outputs agree up to a relative error of about eps / (2 var), where
/// var is the smallest variance of a token in the stream.
SpecAndWeights fold_stream_gains(const SpecAndWeights& model);

/// The model with the attention of `layers` diluted to `lambda` in [0, 1]: y = (2 - lambda) x + lambda A(LN1
/// x). The spec holds the stream's factor; the projection (or layer scale) takes the branch's factor. At
/// lambda = 0 the layers are removed and the factor 2 is folded into the weights; dilution exports this
/// model. `stream` (s) replaces the 2: y = (s - (s - 1) lambda) x + lambda A(LN1 x).
SpecAndWeights dilute(const SpecAndWeights& model, const std::vector<int>& layers, double lambda,
                      double stream = 2);

}  // namespace vitrim::surgery
