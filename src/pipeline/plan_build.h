#pragma once
// Builds the chosen candidate of a plan with full quality (all images, the full fit, learned channels), and
// compares it with the budget.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/plan_artifacts.h"
#include "vitrim/pipeline/plan.h"

namespace vitrim::pipeline {

/// How a plan divides its images.
struct PlanImages {
  data::ImageBatch fit;       ///< for fits of single moves and candidates
  data::ImageBatch held_out;  ///< measure everything, including the built model
  data::ImageBatch all;       ///< all images except held_out, for the final fit
};
/// Divides the images: `plan_images` spread over all of them, every fourth of these held out. Throws
/// std::invalid_argument if fewer than 8 would remain to fit on.
PlanImages split_images(const data::ImageBatch& images, int64_t plan_images);

struct Built {
  std::unique_ptr<model::Model> model;
  CompressResult result;
  std::optional<double> latency;  ///< seconds at the first latency budget's batch
  std::vector<std::string> notes;
};

/// Runs removal, absorption, pruning, absorption, merging and int8 with the functions of `compress`, `merge`
/// and `quantize`. Learned widths differ between blocks; if their counts exceed `limits` (one per budget),
/// the candidate's own even widths are used.
Built build_candidate(const model::Model& dense, const data::ImageBatch& images, const PlanRow& row,
                      const PlanOptions& options, const std::vector<double>& limits);

/// Times the built model against the dense one if a latency is limited (else at `batch`, if the engine can
/// run it). Returns which budget it misses; empty: none.
std::string built_misses(Built& built, const model::Model& dense, const PlanOptions& options, int64_t batch);

/// Evaluates the built model and compares it with the dense one, whose accuracy is known.
void finish_built(const model::Model& dense, const model::Model& built, const EvalResult& dense_eval,
                  const data::Dataset& evaluation, const eval::AccuracyOptions& accuracy,
                  CompressResult& result);

}  // namespace vitrim::pipeline
