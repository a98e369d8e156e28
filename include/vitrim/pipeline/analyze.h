#pragma once
// `vitrim analyze` as a function: measures a model's attention layers and chooses which of them to remove.

#include <memory>
#include <string>

#include "vitrim/absorb/absorbed_scorer.h"
#include "vitrim/analysis/transfer_entropy.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"
#include "vitrim/select/search.h"

namespace vitrim::pipeline {

enum class LayerCriterion {
  kTransferEntropy,  ///< the paper's: TE of the masked model
  kAbsorbed,         ///< distortion after closed-form absorption
};
LayerCriterion parse_layer_criterion(
    const std::string& name);  ///< "te" | "absorbed"; throws std::invalid_argument
std::string to_string(LayerCriterion criterion);

struct AnalyzeOptions {
  int count = 0;  ///< number of layers to choose; 0: measure only
  LayerCriterion criterion = LayerCriterion::kAbsorbed;
  select::SearchOptions search;      ///< options of the search; its count is replaced by `count`
  std::vector<int> kept;             ///< layers that must not be chosen
  double absorbed_candidates = 0.6;  ///< the absorbed criterion builds sets from this share of the layers,
                                     ///< those with the best single scores
  analysis::TransferEntropyOptions te;
  absorb::AbsorbedScorerOptions absorbed;
  int64_t te_images = 100;        ///< how many of the images to use for transfer entropy
  int64_t absorbed_images = 200;  ///< how many of the images to use for the absorbed criterion
  bool interactions = true;       ///< measure the interaction w_ij of all pairs
  int64_t interaction_images =
      32;                      ///< how many of the TE images to use for w_ij, because there are many pairs
  bool both_criteria = false;  ///< also search with the criterion that does not decide
};

/// Measures entropies, transfer entropies and the spectrum of the model on `images`, and chooses a set. The
/// caller fills in manifest and model name.
LayerScores analyze(const model::Model& model, const data::ImageBatch& images, const AnalyzeOptions& options);

}  // namespace vitrim::pipeline
