#pragma once
// `vitrim analyze` as a function: everything measured about a model's attention layers, and which of them to
// remove.

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
  int count = 0;  ///< layers to choose; 0: measure only
  LayerCriterion criterion = LayerCriterion::kAbsorbed;
  select::SearchOptions search;  ///< its count is taken from above
  std::vector<int> kept;         ///< layers that no set holds
  double absorbed_candidates =
      0.6;  ///< share of the layers, the best ones alone, that the absorbed criterion builds sets from
  analysis::TransferEntropyOptions te;
  absorb::AbsorbedScorerOptions absorbed;
  int64_t te_images = 100;          ///< of the images given, for transfer entropy
  int64_t absorbed_images = 200;    ///< of the images given, for the absorbed criterion
  bool interactions = true;         ///< measure w_ij of all pairs
  int64_t interaction_images = 32;  ///< of the TE images, for w_ij: pairs are many
  bool both_criteria = false;       ///< also search under the criterion that does not decide
};

/// Entropies, transfer entropies and spectrum of the model on `images`, and the chosen set. Manifest and
/// model name are left to the caller.
LayerScores analyze(const model::Model& model, const data::ImageBatch& images, const AnalyzeOptions& options);

}  // namespace vitrim::pipeline
