#include "pipeline/plan_build.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "pipeline/describe_models.h"
#include "vitrim/bench/bench.h"
#include "vitrim/core/log.h"
#include "vitrim/eval/cost.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/merge/schedule.h"
#include "vitrim/pipeline/compress.h"
#include "vitrim/pipeline/quantize.h"
#include "vitrim/plan/latency.h"

namespace vitrim::pipeline {

namespace {

using plan::Budget;
using plan::Quantity;

// The first count that is above its limit; empty: none.
std::string count_misses(const ModelSpec& spec, const PlanOptions& options,
                         const std::vector<double>& limits) {
  const eval::ModelCost cost = eval::count_cost(spec);
  for (size_t i = 0; i < options.budgets.size(); ++i) {
    const Budget& budget = options.budgets[i];
    if (budget.quantity == Quantity::kLatency) continue;
    const double has = static_cast<double>(budget.quantity == Quantity::kMacs ? cost.macs : cost.params);
    if (has > limits[i])
      return "it has " + plan::show(budget.quantity, has) + ", but '" + budget.text + "' allows " +
             plan::show(budget.quantity, limits[i]);
  }
  return "";
}

Built build(const model::Model& dense, const data::ImageBatch& images, const PlanRow& row,
            const PlanOptions& options) {
  Built out;
  if (row.removed.empty() && row.fixed.empty() && row.width == 0 && row.mlp == 0) {
    out.model = dense.clone();
  } else {
    CompressOptions compressing;
    compressing.layers = row.removed;
    compressing.remove_layers = !row.removed.empty();
    compressing.static_layers = row.fixed;
    compressing.absorb = options.absorb;
    compressing.prune = options.prune;
    compressing.prune.target.clear();
    compressing.prune.width = row.width;
    compressing.prune.mlp_width = row.mlp;
    Compressed compressed = compress(dense, images, nullptr, {}, compressing);
    out.model = std::move(compressed.model);
    out.result = std::move(compressed.result);
  }
  if (row.merging.pairs > 0) {
    const ModelSpec& spec = out.model->spec();
    out.model->set_merging(merge::schedule_of(
        merge::with_schedule(spec, plan::merging_schedule(spec, row.merging), /*quiet=*/true)));
  }
  out.result.removed = row.removed;
  out.result.reason = "plan: " + plan::describe(row);
  if (row.int8) {
    quantize::CalibrateOptions calibrate;
    calibrate.batch_size = options.batch_size;
    calibrate.seed = options.seed;
    quantize_last(dense, out.model, out.result, &images, nullptr, nullptr, {}, calibrate);
    out.result.reason = "plan: " + plan::describe(row);
  }
  out.result.held_out_agreement = 0;  // measured without merging; the caller sets the figure
  describe_models(dense.spec(), out.model->spec(), out.result);
  return out;
}

}  // namespace

PlanImages split_images(const data::ImageBatch& images, int64_t plan_images) {
  const int64_t count = plan_images > 0 ? std::min(plan_images, images.size()) : images.size();
  std::vector<int64_t> fit, held, all;
  std::set<int64_t> out_of_fit;
  const std::vector<int64_t> indices = data::spread_indices(images.size(), count);
  for (size_t i = 0; i < indices.size(); ++i) {
    (i % 4 == 3 ? held : fit).push_back(indices[i]);
    if (i % 4 == 3) out_of_fit.insert(indices[i]);
  }
  if (fit.size() < 8 || held.size() < 2) {
    throw std::invalid_argument(
        "a plan needs at least 11 calibration images (three quarters for the fits, the rest for the "
        "evaluation), but has " +
        std::to_string(indices.size()));
  }
  for (int64_t i = 0; i < images.size(); ++i) {
    if (!out_of_fit.contains(i)) all.push_back(i);
  }
  return {data::select_images(images, fit), data::select_images(images, held),
          data::select_images(images, all)};
}

Built build_candidate(const model::Model& dense, const data::ImageBatch& images, const PlanRow& row,
                      const PlanOptions& options, const std::vector<double>& limits) {
  Built out = build(dense, images, row, options);
  const std::string missed = count_misses(out.model->spec(), options, limits);
  if (missed.empty() || (row.width == 0 && row.mlp == 0)) return out;
  PlanOptions even = options;
  even.prune.criterion = "energy_centred";
  out = build(dense, images, row, even);
  out.notes.push_back(plan::describe(row) + " with learned widths: " + missed +
                      "; all blocks get the same width instead, channels by centred activation energy");
  return out;
}

std::string built_misses(Built& built, const model::Model& dense, const PlanOptions& options, int64_t batch) {
  if (!plan::why_not_timed(dense.spec()).empty()) return "";
  std::vector<int64_t> batches = {batch};
  for (const Budget& budget : options.budgets) {
    if (budget.batch > 0 && std::find(batches.begin(), batches.end(), budget.batch) == batches.end())
      batches.push_back(budget.batch);
  }
  std::string missed;
  for (const int64_t one : batches) {
    bench::BenchOptions timing;
    timing.batches = {one};
    timing.threads = options.threads;
    timing.rounds = options.rounds;
    timing.warmup = 0.2;
    timing.peak_seconds = 0;
    timing.thread_time = options.threads == 1;  // as for the candidates
    timing.seed = options.seed;
    const bench::Compared compared = bench::compare(dense, *built.model, timing, options.precision);
    if (one == batch) {
      built.latency = compared.after;
      built.result.speed = compared.speed;
    }
    for (const Budget& budget : options.budgets) {
      if (budget.batch != one) continue;
      // For a share, the ratio of each round decides.
      const bool relative = budget.amount.ends_with('%');
      const bool met = relative ? plan::holds(budget, 1, compared.speed.speedup)
                                : plan::holds(budget, compared.after, compared.before);
      if (!met && missed.empty()) {
        missed = "the built model takes " + plan::show(Quantity::kLatency, compared.after) +
                 " and the dense model " + plan::show(Quantity::kLatency, compared.before) +
                 ", which does not meet '" + budget.text + "'";
      }
    }
  }
  return missed;
}

void finish_built(const model::Model& dense, const model::Model& built, const EvalResult& dense_eval,
                  const data::Dataset& evaluation, const eval::AccuracyOptions& accuracy,
                  CompressResult& result) {
  describe_models(dense.spec(), built.spec(), result);
  result.dense = dense_eval;
  evaluate_models(dense, built, evaluation, accuracy, result);
}

}  // namespace vitrim::pipeline
