#pragma once
// Taking attention layers out of (ModelSpec, weights), and folding the factor 2 of a fully diluted layer
// away.

#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::surgery {

/// An architecture and its weights.
struct SpecAndWeights {
  ModelSpec spec;
  model::StateDict weights;
};

/// Drops norm1, attention and layer scale of each named block. `stream_gain` is what the block does to the
/// stream from now on: 1 for the `drop` mask (y = x), 2 for a diluted layer (y = 2x). Throws
/// std::invalid_argument on an index that does not exist, repeats, or has no attention.
SpecAndWeights remove_attention(const SpecAndWeights& model, const std::vector<int>& layers,
                                double stream_gain = 1.0);
/// The spec alone.
ModelSpec remove_attention(const ModelSpec& spec, const std::vector<int>& layers, double stream_gain = 1.0);

/// Makes every stream_gain 1 by multiplying what writes to the stream before such a block with its gain:
/// patch embedding, tokens and position embedding (or norm_pre where there is one; in a later stage the step
/// that leads into it), every earlier proj and fc2 of the stage (or its layer scale). LayerNorm undoes the
/// scale, so outputs agree up to about eps / (2 var) relative, var the smallest variance of a token in the
/// stream.
SpecAndWeights fold_stream_gains(const SpecAndWeights& model);

/// The model in which the attention of `layers` is diluted to `lambda` in [0, 1], as a model of its own: y =
/// (2 - lambda) x + lambda A(LN1 x), the stream's factor in the spec, the branch's in its projection (or
/// layer scale). At lambda = 0 the layers are removed and the factor 2 is folded away: this is what dilution
/// exports. `stream` stands for the 2: y = (s - (s - 1) lambda) x + lambda A(LN1 x).
SpecAndWeights dilute(const SpecAndWeights& model, const std::vector<int>& layers, double lambda,
                      double stream = 2);

}  // namespace vitrim::surgery
