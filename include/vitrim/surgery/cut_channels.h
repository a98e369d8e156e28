#pragma once
// Cutting channels out of (ModelSpec, weights).

#include <vector>

#include "vitrim/model/model.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::surgery {

/// The model that computes what `model` computes under these gates (model/model.h; one entry a block),
/// without the channels whose factor is 0. Other factors are folded into the weights: those on v into the
/// last projection's columns, those on the MLP into fc2's, those on q and k into q's rows or focused
/// attention's scale (where they must be positive). In a block of softmax q's rows also take sqrt(kept /
/// all), since the spec's 1 / sqrt(qk_dim) changes. A focused block whose heads keep different v channels
/// gets filters of its own for every head (BlockSpec::per_head_filters). Every head of a layer must keep the
/// same number of channels, at least one; else std::invalid_argument, as for gates of a wrong shape or on q
/// and k after a q/k norm. Cut and gated model agree up to rounding: each output is the same sum with the
/// zeros left out.
SpecAndWeights cut_channels(const SpecAndWeights& model, const std::vector<model::ChannelGates>& gates);

}  // namespace vitrim::surgery
