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
  std::vector<int> layers;  ///< remove these; empty: choose analyze.count by analyze
  std::vector<int>
      static_layers;     ///< make these static (surgery/make_static.h); no other choice removes them
  int static_count = 0;  ///< or so many that a search chooses among those that stay after the removal, by
                         ///< distortion after closed-form absorption with them static; with no named ones
  int64_t static_filter = 3;  ///< side of their filters
  AnalyzeOptions analyze;
  absorb::AbsorbOptions absorb;
  absorb::RefineOptions refine;    ///< passes over `more` after the absorption
  absorb::DistillOptions distill;  ///< epochs over `more` after that
  absorb::ImageSource more;   ///< views of images that no report is about; needed where one of the two is on
  bool remove_layers = true;  ///< false: only channels are pruned
  PruneOptions prune;         ///< channels to prune in what stays, after the removal
  bool absorb_layers = true;  ///< false: cut only
  bool controls =
      false;  ///< also treat random sets, first-k, last-k, least-norm and the other criterion's set alike
  int random_controls = 5;            ///< how many random sets
  CompressState* state = nullptr;     ///< where interrupted work goes on, controls left out; null: nowhere
  std::optional<LayerScores> scores;  ///< what analyze() says with these options, where it is known already
  std::optional<EvalResult>
      dense_eval;  ///< of the dense model on the evaluation images, where it is known already
};

struct Compressed {
  std::unique_ptr<model::Model> model;
  CompressResult result;  ///< manifest, model and output names are left to the caller
};

/// Refuses what pruning can't do after the removal, before any work: std::invalid_argument where no layers
/// that `options` may remove leave a model that meets the target. Layers that only the analysis will choose
/// can still turn out to leave another one.
void check_compress(const ModelSpec& spec, const CompressOptions& options);

/// Refuses a number of calibration images that `options` can't do with: std::invalid_argument. compress()
/// begins with it.
void check_images(int64_t count, const CompressOptions& options);

/// The model without the attention of `layers` after absorb::absorb(), and what that says.
struct Absorbed {
  std::unique_ptr<model::Model> model;
  absorb::AbsorbReport report;
};
Absorbed absorb_removal(const model::Model& dense, const std::vector<int>& layers,
                        const data::ImageBatch& calibration, const absorb::AbsorbOptions& options);

/// Removes attention layers and lets the MLPs take their work over, on unlabelled calibration images. With
/// `evaluation` both models (and the controls) are evaluated on it, paired. The dense model is not changed.
Compressed compress(const model::Model& dense, const data::ImageBatch& calibration,
                    const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                    const CompressOptions& options);

}  // namespace vitrim::pipeline
