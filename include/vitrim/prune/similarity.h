#pragma once
// How much of what a channel does the other channels of its head do as well.

#include <string>
#include <vector>

#include "vitrim/data/loader.h"
#include "vitrim/prune/units.h"

namespace vitrim::prune {

enum class Similarity {
  kNone,     ///< all weights are 1
  kWeights,  ///< c_hi: mean |cos| of channel i's weight rows (q's and k's joined, or v's) to the others of
             ///< its head
  kActivations,  ///< the same of what the channels do on images: their terms q_i k_i^T of the scores; v's
                 ///< centred outputs
  kResidual,  ///< c_hi: R^2 of channel i's activations on all others of its head together (ridge 0.01 on the
              ///< correlations)
  kWeightsSigned,      ///< as kWeights with cos in place of |cos|: opposite channels are not alike
  kActivationsSigned,  ///< as kActivations with cos
};
/// "none", "weights", "activations", "residual", "weights_signed", "activations_signed"; throws
/// std::invalid_argument.
Similarity parse_similarity(const std::string& name);
std::string to_string(Similarity similarity);

/// Similarity weights (docs/pruning.md): s_hi = (1 - c_hi) / mean_h(1 - c); 1 where all channels are
/// alike. One [heads, width] float64 a unit; ones for the MLP and for heads of one channel. kNone and
/// those of weights do not look at `images`; the others cost one forward pass over them.
std::vector<at::Tensor> similarity_weights(const model::Model& model, const std::vector<Unit>& units,
                                           Similarity similarity, const data::ImageBatch& images,
                                           int64_t batch_size = 16);

}  // namespace vitrim::prune
