#include "pipeline/plan_latency.h"

#include <algorithm>

#include "core/counted.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/runtime/isa.h"

namespace vitrim::pipeline {

std::vector<std::pair<std::string, ModelSpec>> latency_checks(const ModelSpec& dense,
                                                              const plan::MoveGrid& grid) {
  const auto middle = [](const auto& values) { return values[values.size() / 2]; };
  std::vector<PlanRow> rows;
  const auto add = [&](const std::vector<int>& removed, int64_t width, const PlanMerging& merging,
                       int64_t mlp = 0) {
    PlanRow row;
    row.removed = removed;
    row.width = width;
    row.mlp = mlp;
    row.merging = merging;
    rows.push_back(std::move(row));
  };
  add(grid.sets.back(), 0, {});
  add({}, grid.widths.back(), {});
  add({}, 0, {}, grid.mlps.back());
  add({}, 0, middle(grid.mergings));
  add({}, 0, grid.mergings.back());
  add(middle(grid.sets), middle(grid.widths), {});
  add(middle(grid.sets), 0, middle(grid.mergings));
  add({}, middle(grid.widths), middle(grid.mergings));
  add(middle(grid.sets), middle(grid.widths), middle(grid.mergings));
  add(grid.sets.back(), grid.widths.back(), grid.mergings.back(), grid.mlps.back());
  rows.emplace_back();
  rows.back().fixed = grid.fixed.back();
  rows.emplace_back();
  rows.back().fixed = grid.fixed[grid.fixed.size() / 2];
  rows.back().merging = middle(grid.mergings);
  std::vector<std::pair<std::string, ModelSpec>> out;
  std::vector<ModelSpec> seen = {dense};
  for (const PlanRow& row : rows) {
    const ModelSpec spec = plan::candidate_spec(dense, row);
    if (std::find(seen.begin(), seen.end(), spec) != seen.end()) continue;
    seen.push_back(spec);
    out.emplace_back(plan::describe(row), spec);
  }
  return out;
}

PlanClock::PlanClock(const ModelSpec& dense, const plan::MoveGrid& grid, const PlanClockOptions& options,
                     const std::optional<LatencyTable>& table)
    : dense_(dense), options_(options) {
  table_.cpu = make_manifest("", 0, options.threads).cpu;
  table_.isa = runtime::to_string(runtime::chosen_isa());
  table_.precision = runtime::resolve(options.precision) == runtime::Precision::kBf16 ? "bf16" : "f32";
  table_.threads = options.threads;
  table_.version = version();
  table_.spec = dense;
  if (table) {
    plan::check_table(*table, table_, options.table_source);
    table_.batches = table->batches;
    // An older table, from before static attention was a move, does not contain its times.
    std::erase_if(table_.batches, [&](const LatencyPieces& pieces) {
      return grid.fixed.size() > 1 &&
             std::none_of(pieces.knots.begin(), pieces.knots.end(),
                          [](const LatencyKnot& knot) { return knot.piece == "static"; });
    });
  }
  for (const int64_t batch : options.batches) {
    for (const bool int8 : grid.int8) {
      if (std::any_of(table_.batches.begin(), table_.batches.end(),
                      [&](const LatencyPieces& known) { return known.batch == batch && known.int8 == int8; }))
        continue;
      log_info("timing blocks " + std::string(int8 ? "in int8 " : "") + "at batch " + std::to_string(batch) +
               " on " + counted(options.threads, "thread"));
      plan::LatencyOptions wanted;
      wanted.batch = batch;
      for (const int64_t width : grid.widths) {
        if (width > 0) wanted.widths.push_back(width);
      }
      for (const int64_t width : grid.mlps) {
        if (width > 0) wanted.mlps.push_back(width);
      }
      wanted.fixed = grid.fixed.size() > 1;
      wanted.checks = latency_checks(dense, grid);
      table_.batches.push_back(plan::measure_pieces(dense, wanted, [&](const std::vector<ModelSpec>& specs) {
        if (!int8) return timer(batch).measure(specs);
        std::vector<ModelSpec> quantized;
        for (const ModelSpec& spec : specs) quantized.push_back(plan::in_int8(spec));
        return timer(batch).measure(quantized);
      }));
      table_.batches.back().int8 = int8;
      for (LatencyCheck& check : table_.batches.back().checks) check.model += int8 ? ", int8" : "";
      grew_ = true;
    }
  }
}

const LatencyPieces& PlanClock::pieces(int64_t batch, bool int8) const {
  for (const LatencyPieces& known : table_.batches) {
    if (known.batch == batch && known.int8 == int8) return known;
  }
  throw std::logic_error("[pipeline::PlanClock] batch " + std::to_string(batch) + " was not measured");
}

double PlanClock::predict(int64_t batch, const ModelSpec& spec) const {
  return plan::LatencyModel(pieces(batch, spec.quantized()).knots).predict(spec);
}

bench::SpecTimer& PlanClock::timer(int64_t batch) {
  std::unique_ptr<bench::SpecTimer>& timer = timers_[batch];
  if (!timer) {
    bench::SpecTimerOptions options;
    options.batch = batch;
    options.threads = options_.threads;
    options.precision = options_.precision;
    options.rounds = options_.rounds;
    timer = std::make_unique<bench::SpecTimer>(dense_, options);
  }
  return *timer;
}

plan::TimedModels PlanClock::time(int64_t batch, const std::vector<ModelSpec>& specs) {
  plan::TimedModels out;
  out.seconds = timer(batch).measure(specs);
  out.dense = timer(batch).reference_seconds();
  return out;
}

}  // namespace vitrim::pipeline
