#pragma once
// Importance scores of channels: the criteria that indicators are compared with and initialised from.

#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/prune/units.h"

namespace vitrim::prune {

enum class ChannelCriterion {
  kMagnitude,  ///< L1 norm of the channel's weights
  kTaylor,     ///< squared derivative of the loss with respect to the channel's gate; the loss is the
               ///< cross-entropy to the dense model's own predictions
  kEnergy,  ///< E q^2 E k^2; E m^2 |proj column|^2, where m is the projection's input; E h^2 |fc2 column|^2
  kEnergyCentred,  ///< the same with k, m and h centred over tokens
  kRandom,
  kDifference,  ///< -||A_h - A_h(i)|| / ||A_h||: how far attention from channel i alone is from the head's
                ///< attention (docs/pruning.md); for v, the head's output. In windows without the position
                ///< bias
  kAbsence,  ///< ||A_h - A_h(all but i)|| / ||A_h||: how much the head's attention changes without channel i;
             ///< for v, the square root of its share of the head's output
};
/// "magnitude", "taylor", "energy", "energy_centred", "random", "difference", "absence"; throws
/// std::invalid_argument on anything else.
ChannelCriterion parse_channel_criterion(const std::string& name);
std::string to_string(ChannelCriterion criterion);

struct ScoreOptions {
  int64_t batch_size = 16;
  uint64_t seed = 0;  ///< seed of kRandom
};

/// Scores of all units, one tensor [heads, width] float64 per unit; larger means more important. A few images
/// (64) are enough; kMagnitude and kRandom ignore them. Cost: one forward pass (kTaylor: and a backward
/// pass); kDifference of softmax attention also needs n^2 exponentials per channel.
std::vector<at::Tensor> score_channels(const model::Model& model, const std::vector<Unit>& units,
                                       ChannelCriterion criterion, const data::ImageBatch& images,
                                       const ScoreOptions& options = {});

/// Gates of 0 and 1 that keep the `widths[u]` best channels of every head. If `per_head` is false, they keep
/// the best channels of the whole unit: the same number, but heads may keep different numbers, so that the
/// model can be masked but not cut.
std::vector<at::Tensor> best_channels(const std::vector<Unit>& units, const std::vector<at::Tensor>& scores,
                                      const std::vector<int64_t>& widths, bool per_head = true);

}  // namespace vitrim::prune
