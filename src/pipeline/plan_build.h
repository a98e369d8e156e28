#pragma once
// The chosen candidate of a plan, made with care: all images, the full fit, learned channels; and held
// against the budget.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/plan_artifacts.h"
#include "vitrim/pipeline/plan.h"

namespace vitrim::pipeline {

/// How a plan shares its images.
struct PlanImages {
  data::ImageBatch fit;       ///< of single moves and candidates
  data::ImageBatch held_out;  ///< judge everything, the built model included
  data::ImageBatch all;       ///< but those held out: of the final fit
};
/// `plan_images` spread over all, every fourth of them held out. Throws std::invalid_argument where fewer
/// than 8 would be left to fit on.
PlanImages split_images(const data::ImageBatch& images, int64_t plan_images);

struct Built {
  std::unique_ptr<model::Model> model;
  CompressResult result;
  std::optional<double> latency;  ///< seconds at the first latency budget's batch
  std::vector<std::string> notes;
};

/// Removal, absorption, pruning, absorption, merging, int8, by the functions of `compress`, `merge`
/// and `quantize`. Learned
/// widths differ from block to block; where their counts come out above `limits` (one a budget), the
/// candidate's own even widths are taken.
Built build_candidate(const model::Model& dense, const data::ImageBatch& images, const PlanRow& row,
                      const PlanOptions& options, const std::vector<double>& limits);

/// Times the built model against the dense one where a latency is limited (else at `batch`, where the engine
/// can run it); says which budget it misses, empty: none.
std::string built_misses(Built& built, const model::Model& dense, const PlanOptions& options, int64_t batch);

/// Evaluates the built model beside the dense one, whose accuracy is known.
void finish_built(const model::Model& dense, const model::Model& built, const EvalResult& dense_eval,
                  const data::Dataset& evaluation, const eval::AccuracyOptions& accuracy,
                  CompressResult& result);

}  // namespace vitrim::pipeline
