#pragma once
// `vitrim plan` as a class: what a budget buys. Removal, pruning and merging in every combination, costs by
// count and by a latency table measured here, loss as the sum of what each does alone; how far either can be
// trusted is measured.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/bench/spec_timer.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/data/dataset.h"
#include "vitrim/data/loader.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/model/model.h"
#include "vitrim/pipeline/prune.h"
#include "vitrim/plan/budget.h"
#include "vitrim/plan/candidates.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::pipeline {

struct PlanOptions {
  std::vector<plan::Budget> budgets;  ///< all must hold
  plan::GridOptions grid;
  int threads = 1;
  runtime::Precision precision = runtime::Precision::kAuto;
  int rounds = 15;            ///< of all that is timed
  int64_t plan_images = 256;  ///< of the calibration images, for everything but the final fit; a quarter of
                              ///< them judges, and no fit sees it
  int measured = 5;   ///< candidates of the Pareto front that are made and measured; what one kind of move
                      ///< alone and spread combinations buy comes on top
  int spread = 3;     ///< such combinations, for the test of additivity
  bool build = true;  ///< make the chosen one, with all images
  int tries = 3;      ///< candidates built at most, where one misses
  absorb::AbsorbOptions absorb;  ///< of the final fit
  PruneOptions prune;            ///< how its channels are chosen
  uint64_t seed = 0;
  int64_t batch_size = 50;
  std::string table_source = "the latency table";  ///< what messages call it
  std::optional<LatencyTable> table;               ///< measured before; what it lacks is measured
  std::function<void(const LatencyTable&)>
      keep_table;  ///< called where something was measured, before budgets are held against it; may be empty
};

struct Planned {
  std::unique_ptr<model::Model> model;  ///< null unless options.build
  PlanResult result;                    ///< manifest and names are left to the caller
};

class Planner {
 public:
  /// Everything that needs no image: holds the budgets against the model and the least that the grid of
  /// candidates comes to, and measures the latency table. Throws std::invalid_argument, naming that least,
  /// where a budget can't be met; counts are refused before anything is timed.
  Planner(const model::Model& dense, PlanOptions options);
  ~Planner();
  /// None where the engine can't run the model.
  const std::optional<LatencyTable>& table() const;

  /// Measures moves and candidates on `calibration` (no labels), chooses, and builds. With `evaluation` all
  /// measured candidates are evaluated, which chooses nothing.
  Planned run(const data::ImageBatch& calibration, const data::Dataset* evaluation,
              const eval::AccuracyOptions& accuracy);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::pipeline
