#pragma once
// A plan's clock: the latency table of the model on this machine, what it predicts, and candidates really
// timed.

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
  /// Measures what `table` lacks of the batches. Throws vitrim::Error where it is of another machine, engine
  /// or model.
  PlanClock(const ModelSpec& dense, const plan::MoveGrid& grid, const PlanClockOptions& options,
            const std::optional<LatencyTable>& table);
  const LatencyTable& table() const { return table_; }
  bool grew() const { return grew_; }
  /// Seconds of a call, by the table.
  double dense(int64_t batch) const { return pieces(batch).dense; }
  /// The pieces are those in int8 where the spec has int8 layers.
  double predict(int64_t batch, const ModelSpec& spec) const;

  /// Really timed, interleaved with the dense model.
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

/// Whole models of every kind, some of all of them at once, to see whether pieces add up.
std::vector<std::pair<std::string, ModelSpec>> latency_checks(const ModelSpec& dense,
                                                              const plan::MoveGrid& grid);

}  // namespace vitrim::pipeline
