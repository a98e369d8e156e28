#pragma once
// How similar a channel is to the other channels of its head.

#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/prune/units.h"

namespace vitrim::prune {

enum class Similarity {
  kNone,     ///< all weights are 1
  kWeights,  ///< c_hi: mean |cos| between the weight rows of channel i (of q and k joined, or of v) and those
             ///< of the other channels of its head
  kActivations,  ///< the same for the channels' activations on images: their terms q_i k_i^T of the scores;
                 ///< for v, centred outputs
  kResidual,  ///< c_hi: R^2 of regressing channel i's activations on those of all other channels of its head
              ///< (ridge 0.01 on the correlations)
  kWeightsSigned,      ///< as kWeights with cos instead of |cos|: opposite channels are not similar
  kActivationsSigned,  ///< as kActivations with cos instead of |cos|
};
/// "none", "weights", "activations", "residual", "weights_signed", "activations_signed"; throws
/// std::invalid_argument on anything else.
Similarity parse_similarity(const std::string& name);
std::string to_string(Similarity similarity);

/// Similarity weights (docs/pruning.md): s_hi = (1 - c_hi) / mean_h(1 - c), or 1 if all channels are equal.
/// One tensor [heads, width] float64 per unit; ones for the MLP and for heads of one channel. kNone and the
/// similarities of weights ignore `images`; the others cost one forward pass over them.
std::vector<at::Tensor> similarity_weights(const model::Model& model, const std::vector<Unit>& units,
                                           Similarity similarity, const data::ImageBatch& images,
                                           int64_t batch_size = 16);

}  // namespace vitrim::prune
