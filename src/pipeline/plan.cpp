#include "vitrim/pipeline/plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pipeline/candidate_models.h"
#include "pipeline/plan_build.h"
#include "pipeline/plan_latency.h"
#include "pipeline/stopwatch.h"
#include "vitrim/absorb/absorbed_scorer.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/eval/cost.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/plan/choice.h"
#include "vitrim/plan/measurement.h"
#include "vitrim/plan/table.h"
#include "vitrim/runtime/engine.h"
#include "vitrim/select/search.h"

namespace vitrim::pipeline {

namespace {

using plan::Budget;
using plan::CandidateTable;
using plan::Quantity;

std::vector<int64_t> batches_of(const std::vector<Budget>& budgets) {
  std::vector<int64_t> out;
  for (const Budget& budget : budgets) {
    if (budget.batch > 0 && std::find(out.begin(), out.end(), budget.batch) == out.end())
      out.push_back(budget.batch);
  }
  return out.empty() ? std::vector<int64_t>{1} : out;
}

bool limits_latency(const std::vector<Budget>& budgets) {
  return std::any_of(budgets.begin(), budgets.end(),
                     [](const Budget& budget) { return budget.quantity == Quantity::kLatency; });
}

void check_model(const ModelSpec& spec, const std::vector<Budget>& budgets) {
  if (budgets.empty()) throw std::invalid_argument("a plan needs a budget");
  if (spec.num_classes == 0)
    throw std::invalid_argument("a plan compares class probabilities, but the model has no classifier");
  if (spec.merges())
    throw std::invalid_argument(
        "the model merges tokens already; plan from the unmerged one (vitrim merge --r 0)");
  if (std::none_of(spec.blocks.begin(), spec.blocks.end(),
                   [](const BlockSpec& b) { return b.attention != AttentionKind::kNone; })) {
    throw std::invalid_argument("no block has attention, so nothing can be removed, pruned or merged");
  }
  const std::string reason = plan::why_not_timed(spec);
  for (const Budget& budget : budgets) {
    if (budget.quantity == Quantity::kLatency && !reason.empty())
      throw std::invalid_argument("budget '" + budget.text + "': latency can't be measured: " + reason);
  }
}

// The grid with the sets of every size that NOSE would remove.
plan::MoveGrid with_chosen_sets(plan::MoveGrid grid, const model::Model& dense, const data::ImageBatch& fit,
                                const PlanOptions& options) {
  const size_t sizes = std::max(grid.sets.size(), grid.fixed.size());
  if (sizes < 2) return grid;
  absorb::AbsorbedScorerOptions scoring;
  scoring.seed = options.seed;
  scoring.batch_size = options.batch_size;
  absorb::AbsorbedScorer scorer(dense, fit, scoring);
  select::SearchOptions search;
  search.strategy = select::Strategy::kBeam;
  const int most = static_cast<int>(sizes) - 1, layers = static_cast<int>(scorer.candidates().size());
  search.beam_candidates = std::max(most + 1, static_cast<int>(std::ceil(0.6 * layers)));
  for (int count = 1; count <= most;
       ++count) {  // the scorer caches sets, so each size costs only its own level
    search.count = count;
    const std::vector<int> found = select::search(scorer, search).sets.front().result.layers;
    for (auto* sets : {&grid.sets, &grid.fixed}) {
      if (sets->size() > 1) (*sets)[static_cast<size_t>(count)] = found;
    }
  }
  return grid;
}

void evaluate(CandidateTable& table, CandidateModels& models, const EvalResult& dense,
              const data::Dataset& evaluation, const eval::AccuracyOptions& accuracy) {
  for (const size_t i : plan::measured_by_loss(table)) {
    PlanRow& row = table.candidates[i].row;
    row.eval = eval::evaluate(*models.make(row), evaluation, accuracy);
    row.paired = eval::compare_paired(dense.correct, row.eval->correct);
  }
}

}  // namespace

struct Planner::Impl {
  const model::Model& dense;
  const PlanOptions options;
  const std::vector<int64_t> batches;
  plan::MoveGrid grid;
  std::unique_ptr<PlanClock> clock;  // null if the engine can't run the model
  PlanResult facts;                  // results that need no image

  Impl(const model::Model& model, PlanOptions wanted)
      : dense(model), options(std::move(wanted)), batches(batches_of(options.budgets)) {
    check_model(dense.spec(), options.budgets);
    const eval::ModelCost whole = eval::count_cost(dense.spec());
    facts.dense_params = whole.params;
    facts.dense_macs = whole.macs;
    plan::GridOptions moves = options.grid;
    moves.round = options.prune.round;
    grid = plan::make_grid(dense.spec(), moves);
    // Counts come first, because they cost nothing.
    CandidateTable table = plan::make_table(dense.spec(), grid, options.budgets.size());
    table = with_budgets(std::move(table), /*latencies=*/false);
    if (plan::why_not_timed(dense.spec()).empty()) start_clock();
    plan::check_together(with_budgets(std::move(table), /*latencies=*/true));
  }

  void start_clock() {
    clock = std::make_unique<PlanClock>(
        dense.spec(), grid,
        PlanClockOptions{batches, options.threads, options.precision, options.rounds, options.table_source},
        options.table);
    facts.table = clock->table();
    if (clock->grew() && options.keep_table) options.keep_table(*facts.table);
    facts.dense_latency = clock->dense(batches.front());
    std::vector<std::pair<double, double>> checks;
    for (const LatencyPieces& pieces : clock->table().batches) {
      for (const LatencyCheck& check : pieces.checks) checks.emplace_back(check.predicted, check.measured);
    }
    facts.latency_quality = plan::quality_of(checks);
  }

  // The columns of the latency budgets, or those of the others.
  CandidateTable with_budgets(CandidateTable table, bool latencies) const {
    for (size_t i = 0; i < options.budgets.size(); ++i) {
      const Budget& budget = options.budgets[i];
      if ((budget.quantity == Quantity::kLatency) != latencies) continue;
      if (latencies) {
        table = plan::with_budget(
            std::move(table), i, budget, clock->dense(budget.batch),
            [&](const PlanRow&, const ModelSpec& spec) { return clock->predict(budget.batch, spec); });
        continue;
      }
      const bool macs = budget.quantity == Quantity::kMacs;
      table = plan::with_budget(std::move(table), i, budget,
                                static_cast<double>(macs ? facts.dense_macs : facts.dense_params),
                                [&](const PlanRow& row, const ModelSpec&) {
                                  return static_cast<double>(macs ? row.macs : row.params);
                                });
    }
    return table;
  }

  // The rows with the costs that a result shows.
  void complete(PlanRow& row, const ModelSpec& spec) const {
    const eval::ModelCost cost = eval::count_cost(spec);
    row.params = cost.params;
    row.macs = cost.macs;
    if (clock) row.latency = clock->predict(batches.front(), spec);
  }

  // The measured candidate that meets the budget with the least loss. If it is to be built and then misses
  // the budget after all, the next one is built.
  std::unique_ptr<model::Model> build(const CandidateTable& table, const data::ImageBatch& images,
                                      const CandidateModels& models, PlanResult& result) const {
    plan::Candidates order = plan::measured_by_loss(table);
    std::erase_if(order, [&](size_t i) { return !table.candidates[i].row.holds; });
    result.chosen = table.candidates[order.front()].row;
    if (!options.build) return nullptr;
    const auto note = [&](const std::string& text) {
      log_info(text);
      result.notes.push_back(text);
    };
    for (size_t i = 0; i < order.size() && i < static_cast<size_t>(options.tries); ++i) {
      const PlanRow& row = table.candidates[order[i]].row;
      log_info("building " + plan::describe(row));
      Built built = build_candidate(dense, images, row, options, table.allowed());
      for (const std::string& text : built.notes) note(text);
      std::string missed;
      try {
        missed = built_misses(built, dense, options, batches.front());
      } catch (const Interrupted&) {
        throw;
      } catch (const Error& error) {  // the outputs disagree
        if (limits_latency(options.budgets)) {
          missed = error.what();
        } else {
          note(std::string("the built model was not timed: ") + error.what());
        }
      }
      if (!missed.empty()) {
        note(plan::describe(row) + ": " + missed + "; trying the next candidate");
        continue;
      }
      result.chosen = row;
      result.built_latency = built.latency;
      result.built_kl = models.kl(*built.model);
      result.built = std::move(built.result);
      result.built->held_out_kl = *result.built_kl;
      result.built->held_out_agreement = models.agreement(*built.model);
      return std::move(built.model);
    }
    throw std::invalid_argument("no candidate that was built met the budget when it was measured (" +
                                result.notes.back() +
                                "); raise the latency budget or run on a quieter machine");
  }
};

Planner::Planner(const model::Model& dense, PlanOptions options)
    : impl_(std::make_unique<Impl>(dense, std::move(options))) {}
Planner::~Planner() = default;

const std::optional<LatencyTable>& Planner::table() const { return impl_->facts.table; }

Planned Planner::run(const data::ImageBatch& calibration, const data::Dataset* evaluation,
                     const eval::AccuracyOptions& accuracy) {
  const at::NoGradGuard no_grad;
  const Impl& plan = *impl_;
  const model::Model& dense = plan.dense;
  const PlanOptions& options = plan.options;
  Planned out;
  PlanResult& result = out.result = plan.facts;
  const PlanImages images = split_images(calibration, options.plan_images);
  result.fit_images = images.fit.size();
  result.held_out_images = images.held_out.size();
  Stopwatch watch(result.seconds);

  const plan::MoveGrid grid = with_chosen_sets(plan.grid, dense, images.fit, options);
  CandidateTable table = plan::make_table(dense.spec(), grid, options.budgets.size());
  table = plan.with_budgets(plan.with_budgets(std::move(table), /*latencies=*/false), /*latencies=*/true);
  plan::check_together(table);
  result.limits = table.limits;
  result.candidates = static_cast<int64_t>(table.candidates.size());
  watch.lap("choose sets");

  CandidateModels models(dense, images.fit, images.held_out, options.prune.round, options.batch_size,
                         options.seed);
  plan::Instruments instruments;
  instruments.loss = [&](const PlanRow& row) { return models.kl(row); };
  if (plan.clock)
    instruments.time = [&](int64_t batch, const auto& specs) { return plan.clock->time(batch, specs); };
  const plan::MeasuredMoves alone = plan::measure_moves(grid, instruments);
  result.moves = alone.moves;
  for (PlanMove& move : result.moves) plan.complete(move.row, plan::candidate_spec(dense.spec(), move.row));
  for (plan::Candidate& candidate : table.candidates) {
    candidate.row.kl = alone.losses.of(candidate.row);
    plan.complete(candidate.row, candidate.spec);
  }
  watch.lap("single moves");

  plan::Measured measured = plan::measure_until_held(std::move(table), options.budgets, plan.batches,
                                                     instruments, {options.measured, options.spread});
  result.combinations = measured.combinations;
  result.notes = measured.notes;
  watch.lap("candidates");
  if (evaluation) {
    result.dense_eval = eval::evaluate(dense, *evaluation, accuracy);
    evaluate(measured.table, models, *result.dense_eval, *evaluation, accuracy);
    watch.lap("evaluate");
  }
  out.model = plan.build(measured.table, images.all, models, result);
  if (out.model) watch.lap("build");
  if (out.model && evaluation) {
    finish_built(dense, *out.model, *result.dense_eval, *evaluation, accuracy, *result.built);
    watch.lap("evaluate");
  }
  plan::ListedRows listed = plan::list_rows(measured.table, measured.table.allowed());
  result.rows = std::move(listed.shown);
  result.dominated = std::move(listed.dominated);
  result.within = static_cast<int64_t>(result.rows.size() + result.dominated.size());
  std::vector<std::pair<double, double>> pairs;
  for (const PlanCombination& combination : result.combinations)
    pairs.emplace_back(combination.predicted, combination.measured);
  result.kl_quality = plan::quality_of(pairs);
  return out;
}

}  // namespace vitrim::pipeline
