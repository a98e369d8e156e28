#pragma once
// The timing of a plan: the latency table of the model on this machine, its predictions, and measured times
// of candidates.

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "vitrim/bench/spec_timer.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/plan/candidates.h"
#include "vitrim/plan/latency.h"
#include "vitrim/plan/measurement.h"

namespace vitrim::pipeline {

struct PlanClockOptions {
  std::vector<int64_t> batches;
  int threads = 1;
  runtime::Precision precision = runtime::Precision::kAuto;
  int rounds = 15;
  std::string table_source = "the latency table";
};

class PlanClock {
 public:
  /// Measures the batch sizes that `table` lacks. Throws vitrim::Error if the table is for another machine,
  /// engine or model.
  PlanClock(const ModelSpec& dense, const plan::MoveGrid& grid, const PlanClockOptions& options,
            const std::optional<LatencyTable>& table);
  const LatencyTable& table() const { return table_; }
  bool grew() const { return grew_; }
  /// Predicted seconds per call, from the table.
  double dense(int64_t batch) const { return pieces(batch).dense; }
  /// The pieces are int8 if the spec has int8 layers.
  double predict(int64_t batch, const ModelSpec& spec) const;

  /// Measured times, interleaved with the dense model.
  plan::TimedModels time(int64_t batch, const std::vector<ModelSpec>& specs);

 private:
  const LatencyPieces& pieces(int64_t batch, bool int8 = false) const;
  bench::SpecTimer& timer(int64_t batch);

  ModelSpec dense_;
  PlanClockOptions options_;
  LatencyTable table_;
  bool grew_ = false;
  std::map<int64_t, std::unique_ptr<bench::SpecTimer>> timers_;
};

/// Models with every kind of move, and some with all of them, to test whether the pieces add up.
std::vector<std::pair<std::string, ModelSpec>> latency_checks(const ModelSpec& dense,
                                                              const plan::MoveGrid& grid);

}  // namespace vitrim::pipeline
