#pragma once
// `vitrim compress` as a function: analyze, select, absorb, cut, fold, evaluate.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/absorb/refine.h"
#include "vitrim/core/artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/model/model.h"
#include "vitrim/pipeline/analyze.h"
#include "vitrim/pipeline/compress_state.h"
#include "vitrim/pipeline/prune.h"

namespace vitrim::pipeline {

struct CompressOptions {
  std::vector<int> layers;  ///< layers to remove; empty: analyze() chooses analyze.count layers. With 0 it
                            ///< runs only for `controls` or analyze.both_criteria.
  std::vector<int>
      static_layers;     ///< layers to make static (surgery/make_static.h); they are never chosen for removal
  int static_count = 0;  ///< number of layers to make static that a search chooses, after the removal, among
                         ///< the remaining ones, by distortion after closed-form absorption with them static;
                         ///< only if static_layers is empty
  int64_t static_filter = 3;  ///< side of the filters of static layers, in tokens
  AnalyzeOptions analyze;
  absorb::AbsorbOptions absorb;
  absorb::RefineOptions refine;    ///< passes over `more` after absorb()
  absorb::DistillOptions distill;  ///< epochs over `more` after refine()
  absorb::ImageSource
      more;  ///< views of images that no report is measured on; needed if refine or distill is on
  bool remove_layers = true;  ///< false: only channels are pruned
  PruneOptions prune;         ///< channels to prune in the remaining layers, after the removal
  bool absorb_layers = true;  ///< false: only cut the layers, without a fit
  bool controls = false;    ///< also treat control sets in the same way: random, first-k, last-k, least-norm,
                            ///< and the set of the other criterion
  int random_controls = 5;  ///< how many random sets
  CompressState* state = nullptr;     ///< saves the state from which interrupted work (except the controls)
                                      ///< continues; null: nothing is saved
  std::optional<LayerScores> scores;  ///< the result of analyze() with these options, if it is known already
  std::optional<EvalResult>
      dense_eval;  ///< result of the dense model on the evaluation images, if it is known already
};

struct Compressed {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< the caller fills in manifest, model and output names
};

/// Checks before any work that pruning can meet its target after the removal. Throws std::invalid_argument if
/// no set of layers that `options` may remove leaves a model that meets the target. If the analysis is still
/// to choose the layers, a later failure is possible.
void check_compress(const ModelSpec& spec, const CompressOptions& options);

/// Throws std::invalid_argument if `options` can't work with this number of calibration images. compress()
/// calls it first.
void check_images(int64_t count, const CompressOptions& options);

/// The model without the attention of `layers` after absorb::absorb(), and the report of that fit.
struct Absorbed {
  std::unique_ptr<model::Model> model;
  absorb::AbsorbReport report;
};
Absorbed absorb_removal(const model::Model& dense, const std::vector<int>& layers,
                        const data::ImageBatch& calibration, const absorb::AbsorbOptions& options);

/// Removes attention layers and fits the MLPs to compensate, on unlabelled calibration images. With
/// `evaluation`, both models (and the controls) are evaluated on it and compared in pairs. The dense model is
/// not changed.
Compressed compress(const model::Model& dense, const data::ImageBatch& calibration,
                    const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                    const CompressOptions& options);

}  // namespace vitrim::pipeline
