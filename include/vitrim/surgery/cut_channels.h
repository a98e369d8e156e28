#pragma once
// Cuts channels out of (ModelSpec, weights).

#include <vector>

#include "vitrim/model/model.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::surgery {

/// The model without the channels whose gate is 0, which computes the same as `model` under these gates
/// (model/model.h; one entry per block). Other factors are folded into the weights: factors on v into the
/// columns of the last projection, factors on the MLP into the columns of fc2, and factors on q and k into
/// the rows of q, or into focused attention's scale (where they must be positive). In a softmax block, the
/// rows of q also take sqrt(kept / all), because the spec's 1 / sqrt(qk_dim) changes. A focused block whose
/// heads keep different v channels gets its own filters for every head (BlockSpec::per_head_filters). Every
/// head of a layer must keep the same number of channels, at least one. Throws std::invalid_argument
/// otherwise, on gates of a wrong shape, and on gates of q and k after a q/k norm. The cut and the gated
/// model agree up to rounding: every output is the same sum without the zeros.
SpecAndWeights cut_channels(const SpecAndWeights& model, const std::vector<model::ChannelGates>& gates);

}  // namespace vitrim::surgery
