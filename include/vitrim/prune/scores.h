#pragma once
// How much every channel matters: the criteria that indicators are compared with, and what they begin with.

#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/prune/units.h"

namespace vitrim::prune {

enum class ChannelCriterion {
  kMagnitude,      ///< L1 norm of the channel's weights
  kTaylor,         ///< squared slope of the loss (cross-entropy to the dense model's own predictions) in the
                   ///< channel's gate
  kEnergy,         ///< E q^2 E k^2; E m^2 |proj column|^2 of what the projection reads; E h^2 |fc2 column|^2
  kEnergyCentred,  ///< the same with k, m and h centred over tokens
  kRandom,
  kDifference,  ///< -||A_h - A_h(i)|| / ||A_h||: how far the attention made by channel i alone is from its
                ///< head's (docs/pruning.md); of v: the head's output. Of windows without their position
                ///< bias
  kAbsence,     ///< ||A_h - A_h(all but i)|| / ||A_h||: how far the head's attention moves where channel i is
                ///< missing; of v: its share of the head's output, square root
};
/// "magnitude", "taylor", "energy", "energy_centred", "random", "difference", "absence"; throws
/// std::invalid_argument.
ChannelCriterion parse_channel_criterion(const std::string& name);
std::string to_string(ChannelCriterion criterion);

struct ScoreOptions {
  int64_t batch_size = 16;
  uint64_t seed = 0;  ///< of kRandom
};

/// One tensor [heads, width] float64 a unit, larger = matters more. `images` may be few (64); magnitude and
/// random do not look at them. Cost: one forward pass (Taylor: and backward); kDifference of softmax
/// attention also n^2 exponentials a channel.
std::vector<at::Tensor> score_channels(const model::Model& model, const std::vector<Unit>& units,
                                       ChannelCriterion criterion, const data::ImageBatch& images,
                                       const ScoreOptions& options = {});

/// The `widths[u]` best channels of every head as gates of 0 and 1. With `per_head` false the best of the
/// whole unit: the same number of channels, but heads that end unequal, which can be masked and not cut.
std::vector<at::Tensor> best_channels(const std::vector<Unit>& units, const std::vector<at::Tensor>& scores,
                                      const std::vector<int64_t>& widths, bool per_head = true);

}  // namespace vitrim::prune
