#pragma once
// `vitrim plan` as a class: finds the best model within a budget. Candidates combine removal, pruning,
// merging and the other moves in every way. Their cost is counted, or predicted from a latency table that is
// measured on this machine; their predicted loss is the sum of the losses of the single moves. The accuracy
// of both predictions is measured.

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
  std::vector<plan::Budget> budgets;  ///< limits that must all hold
  plan::GridOptions grid;
  int threads = 1;
  runtime::Precision precision = runtime::Precision::kAuto;
  int rounds = 15;            ///< rounds of every timing
  int64_t plan_images = 256;  ///< how many of the calibration images to use for everything except the final
                              ///< fit; a quarter of them measures losses and is not used for any fit
  int measured = 5;  ///< candidates of the Pareto front that are built and measured; the best of each kind of
                     ///< move alone and some spread combinations are measured in addition
  int spread = 3;    ///< number of spread combinations, for the test of additivity
  bool build = true;             ///< build the chosen candidate, with all images
  int tries = 3;                 ///< largest number of candidates to build if the built ones miss the budget
  absorb::AbsorbOptions absorb;  ///< options of the final fit
  PruneOptions prune;            ///< how channels are chosen in the final model
  uint64_t seed = 0;
  int64_t batch_size = 50;
  std::string table_source = "the latency table";  ///< name of the table in messages
  std::optional<LatencyTable> table;  ///< a table that was measured before; missing entries are measured
  std::function<void(const LatencyTable&)>
      keep_table;  ///< called after something was measured, before budgets are checked against the table; may
                   ///< be empty
};

struct Planned {
  std::unique_ptr<model::Model> model;  ///< null unless options.build
  PlanResult result;                    ///< the caller fills in manifest and names
};

class Planner {
 public:
  /// Does everything that needs no image: compares the budgets with the model and with the smallest cost of
  /// any candidate, and measures the latency table. Throws std::invalid_argument, with that smallest cost, if
  /// a budget can't be met; budgets of counts are checked before anything is timed.
  Planner(const model::Model& dense, PlanOptions options);
  ~Planner();
  /// The latency table; empty if the engine can't run the model.
  const std::optional<LatencyTable>& table() const;

  /// Measures moves and candidates on `calibration` (without labels), chooses one, and builds it. With
  /// `evaluation`, all measured candidates are evaluated too; that has no influence on the choice.
  Planned run(const data::ImageBatch& calibration, const data::Dataset* evaluation,
              const eval::AccuracyOptions& accuracy);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrim::pipeline
