#include "vitrim/pipeline/plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
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
#include "vitrim/runtime/engine.h"
#include "vitrim/select/search.h"

namespace vitrim::pipeline {

namespace {

using plan::Budget;
using plan::Quantity;

// A row of the grid with what the budgets ask about it.
struct Candidate {
  PlanRow row;
  ModelSpec spec;
  std::vector<double> costs;  // a budget each, as predicted
  bool measured = false;
};

int moves_of(const PlanRow& row) {
  return !row.removed.empty() + !row.fixed.empty() + (row.width > 0) + (row.mlp > 0) + (row.pairs > 0) +
         row.int8;
}

std::string share(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * part / whole);
  return text;
}

std::vector<int64_t> batches_of(const std::vector<Budget>& budgets) {
  std::vector<int64_t> out;
  for (const Budget& budget : budgets) {
    if (budget.batch > 0 && std::find(out.begin(), out.end(), budget.batch) == out.end())
      out.push_back(budget.batch);
  }
  return out.empty() ? std::vector<int64_t>{1} : out;
}

}  // namespace

struct Planner::Impl {
  const model::Model& dense;
  PlanOptions options;
  plan::Grid grid;
  std::unique_ptr<PlanClock> clock;  // null where the engine can't run the model
  std::vector<int64_t> batches;
  std::vector<double> limits;  // a budget each
  PlanResult result;
  std::vector<Candidate> candidates;

  Impl(const model::Model& model, PlanOptions wanted)
      : dense(model), options(std::move(wanted)), batches(batches_of(options.budgets)) {}

  double dense_cost(const Budget& budget) const {
    if (budget.quantity == Quantity::kLatency) return clock->dense(budget.batch);
    return static_cast<double>(budget.quantity == Quantity::kMacs ? result.dense_macs : result.dense_params);
  }
  double cost(const Budget& budget, const PlanRow& row, const ModelSpec& spec) const {
    if (budget.quantity == Quantity::kLatency) return clock->predict(budget.batch, spec);
    return static_cast<double>(budget.quantity == Quantity::kMacs ? row.macs : row.params);
  }

  void check_model() const {
    const ModelSpec& spec = dense.spec();
    if (options.budgets.empty()) throw std::invalid_argument("a plan needs a budget");
    if (spec.num_classes == 0)
      throw std::invalid_argument("a plan compares what classifiers say, and the model has none");
    if (spec.merges())
      throw std::invalid_argument(
          "the model merges tokens already; plan from the unmerged one (vitrim merge --r 0)");
    if (std::none_of(spec.blocks.begin(), spec.blocks.end(),
                     [](const BlockSpec& b) { return b.attention != AttentionKind::kNone; })) {
      throw std::invalid_argument("no block has attention, so nothing can be removed, pruned or merged");
    }
    const std::string reason = plan::why_not_timed(spec);
    for (const Budget& budget : options.budgets) {
      if (budget.quantity == Quantity::kLatency && !reason.empty())
        throw std::invalid_argument("budget '" + budget.text + "': latency can't be measured: " + reason);
    }
  }

  void enumerate() {
    candidates.clear();
    for (PlanRow& row : plan::enumerate(dense.spec(), grid)) {
      Candidate candidate;
      candidate.spec = plan::candidate_spec(dense.spec(), row);
      candidate.row = std::move(row);
      candidates.push_back(std::move(candidate));
    }
    if (candidates.empty())
      throw std::invalid_argument(
          "nothing is left to choose from: every kind of move is switched off, or the model is too small for "
          "them");
  }

  // What the budget of this index allows, and whether any candidate comes to it.
  void check_floor(size_t index) {
    const Budget& budget = options.budgets[index];
    const double whole = dense_cost(budget);
    PlanLimit& limit = result.limits[index];
    limit = {budget.text, plan::to_string(budget.quantity), budget.batch,
             whole,       plan::limit_of(budget, whole),    0};
    const Candidate* least = nullptr;
    for (Candidate& candidate : candidates) {
      candidate.costs.resize(options.budgets.size());
      candidate.costs[index] = cost(budget, candidate.row, candidate.spec);
      if (!least || candidate.costs[index] < least->costs[index]) least = &candidate;
    }
    limit.floor = least->costs[index];
    if (limit.floor > limit.limit) {
      throw std::invalid_argument(
          "budget '" + budget.text + "' (" + plan::show(budget.quantity, limit.limit) +
          ") can't be met: the least that candidates come to is " + plan::show(budget.quantity, limit.floor) +
          ", " + share(limit.floor, whole) + " of the dense model's (" + plan::describe(least->row) + ")");
    }
  }

  bool within(const Candidate& candidate, const std::vector<double>& most) const {
    for (size_t i = 0; i < most.size(); ++i) {
      if (candidate.costs[i] > most[i]) return false;
    }
    return true;
  }

  void check_together() const {
    for (const Candidate& candidate : candidates) {
      if (within(candidate, limits)) return;
    }
    throw std::invalid_argument(
        "each budget can be met, but no candidate meets all of them at once; raise one of them");
  }

  void prepare() {
    check_model();
    const eval::ModelCost whole = eval::count_cost(dense.spec());
    result.dense_params = whole.params;
    result.dense_macs = whole.macs;
    options.grid.round = options.prune.round;
    grid = plan::make_grid(dense.spec(), options.grid);
    enumerate();
    result.limits.resize(options.budgets.size());
    // Counts first: they cost nothing.
    for (size_t i = 0; i < options.budgets.size(); ++i) {
      if (options.budgets[i].quantity != Quantity::kLatency) check_floor(i);
    }
    if (plan::why_not_timed(dense.spec()).empty()) {
      clock = std::make_unique<PlanClock>(
          dense.spec(), grid,
          PlanClockOptions{batches, options.threads, options.precision, options.rounds, options.table_source},
          options.table);
      result.table = clock->table();
      if (clock->grew() && options.keep_table) options.keep_table(*result.table);
      result.dense_latency = clock->dense(batches.front());
      std::vector<std::pair<double, double>> checks;
      for (const LatencyPieces& pieces : clock->table().batches) {
        for (const LatencyCheck& check : pieces.checks) checks.emplace_back(check.predicted, check.measured);
      }
      result.latency_quality = plan::quality_of(checks);
    }
    for (size_t i = 0; i < options.budgets.size(); ++i) {
      if (options.budgets[i].quantity == Quantity::kLatency) check_floor(i);
    }
    for (const PlanLimit& limit : result.limits) limits.push_back(limit.limit);
    check_together();
  }

  // --- on images ---

  // The sets that NOSE would remove, of every size.
  void choose_sets(const data::ImageBatch& fit) {
    const size_t sizes = std::max(grid.sets.size(), grid.fixed.size());
    if (sizes < 2) return;
    absorb::AbsorbedScorerOptions scoring;
    scoring.seed = options.seed;
    scoring.batch_size = options.batch_size;
    absorb::AbsorbedScorer scorer(dense, fit, scoring);
    select::SearchOptions search;
    search.strategy = select::Strategy::kBeam;
    const int most = static_cast<int>(sizes) - 1, layers = static_cast<int>(scorer.candidates().size());
    search.beam_candidates = std::max(most + 1, static_cast<int>(std::ceil(0.6 * layers)));
    for (int count = 1; count <= most; ++count) {  // the scorer remembers: a size costs its own level alone
      search.count = count;
      const std::vector<int> found = select::search(scorer, search).sets.front().result.layers;
      for (auto* sets : {&grid.sets, &grid.fixed}) {
        if (sets->size() > 1) (*sets)[static_cast<size_t>(count)] = found;
      }
    }
    enumerate();
    for (size_t i = 0; i < options.budgets.size(); ++i) check_floor(i);
    check_together();
  }

  // What each move does alone, and with that the sum for every candidate.
  void predict_losses(CandidateModels& models) {
    std::map<std::vector<int>, double> of_set, of_fixed;
    std::map<int64_t, double> of_width, of_mlp, of_pairs;
    const int64_t count = static_cast<int64_t>(grid.sets.size() + grid.fixed.size() + grid.widths.size() +
                                               grid.mlps.size() + grid.pairs.size() + grid.int8.size()) -
                          6;
    Progress progress("single moves", count, "moves");
    const auto alone = [&](const std::string& move, const std::function<void(PlanRow&)>& make) {
      PlanRow row;
      make(row);
      row.kl = models.kl(row);
      row.measured_kl = row.kl;
      complete(row, plan::candidate_spec(dense.spec(), row));
      result.moves.push_back({move, row});
      progress.advance();
      return row.kl;
    };
    for (size_t k = 1; k < grid.sets.size(); ++k)
      of_set[grid.sets[k]] = alone("removal", [&](PlanRow& row) { row.removed = grid.sets[k]; });
    for (size_t k = 1; k < grid.fixed.size(); ++k)
      of_fixed[grid.fixed[k]] = alone("static", [&](PlanRow& row) { row.fixed = grid.fixed[k]; });
    // Of a set that is removed in part, the layers that become static lose their share.
    const auto share_of_fixed = [&](const PlanRow& row) {
      if (row.fixed.empty()) return 0.0;
      std::vector<int> all = row.removed;
      all.insert(all.end(), row.fixed.begin(), row.fixed.end());
      std::sort(all.begin(), all.end());
      return of_fixed.at(all) * static_cast<double>(row.fixed.size()) / static_cast<double>(all.size());
    };
    for (size_t i = 1; i < grid.widths.size(); ++i)
      of_width[grid.widths[i]] = alone("pruning", [&](PlanRow& row) { row.width = grid.widths[i]; });
    for (size_t i = 1; i < grid.mlps.size(); ++i)
      of_mlp[grid.mlps[i]] = alone("mlp", [&](PlanRow& row) { row.mlp = grid.mlps[i]; });
    for (size_t i = 1; i < grid.pairs.size(); ++i)
      of_pairs[grid.pairs[i]] = alone("merging", [&](PlanRow& row) { row.pairs = grid.pairs[i]; });
    const double of_int8 = grid.int8.size() > 1 ? alone("int8", [](PlanRow& row) { row.int8 = true; }) : 0;
    for (Candidate& candidate : candidates) {
      PlanRow& row = candidate.row;
      row.kl = of_set[row.removed] + share_of_fixed(row) + of_width[row.width] + of_mlp[row.mlp] +
               of_pairs[row.pairs] + (row.int8 ? of_int8 : 0);
      complete(row, candidate.spec);
    }
  }

  void complete(PlanRow& row, const ModelSpec& spec) const {
    const eval::ModelCost cost = eval::count_cost(spec);
    row.params = cost.params;
    row.macs = cost.macs;
    if (clock) row.latency = clock->predict(batches.front(), spec);
  }

  // Within these limits by prediction, least predicted loss first; marks which are on the front.
  std::vector<Candidate*> inside(const std::vector<double>& most) {
    std::vector<Candidate*> out;
    std::vector<std::vector<double>> points;
    for (Candidate& candidate : candidates) {
      candidate.row.front = false;
      if (!within(candidate, most)) continue;
      out.push_back(&candidate);
      points.push_back(candidate.costs);
      points.back().push_back(candidate.row.kl);
    }
    const std::vector<bool> front = plan::undominated(points);
    for (size_t i = 0; i < out.size(); ++i) out[i]->row.front = front[i];
    std::stable_sort(out.begin(), out.end(),
                     [](const Candidate* a, const Candidate* b) { return a->row.kl < b->row.kl; });
    return out;
  }

  // The best few of the front, the best of each kind of move alone, and some spread over the rest.
  std::vector<Candidate*> to_measure(const std::vector<Candidate*>& ordered, int wanted, bool beside) const {
    std::vector<Candidate*> out;
    const auto add = [&](Candidate* candidate) {
      if (!candidate->measured && std::find(out.begin(), out.end(), candidate) == out.end())
        out.push_back(candidate);
    };
    for (Candidate* candidate : ordered) {
      if (wanted > 0 && candidate->row.front && !candidate->measured) {
        add(candidate);
        --wanted;
      }
    }
    if (!beside) return out;
    for (const int kind : {0, 1, 2, 3, 4, 5}) {
      for (Candidate* candidate : ordered) {
        const PlanRow& row = candidate->row;
        const bool has = kind == 0   ? !row.removed.empty()
                         : kind == 1 ? !row.fixed.empty()
                         : kind == 2 ? row.width > 0
                         : kind == 3 ? row.mlp > 0
                         : kind == 4 ? row.pairs > 0
                                     : row.int8;
        if (!has || moves_of(row) != 1) continue;
        add(candidate);
        break;
      }
    }
    std::vector<Candidate*> combined;
    for (Candidate* candidate : ordered) {
      if (moves_of(candidate->row) > 1) combined.push_back(candidate);
    }
    for (int i = 1; i <= options.spread && !combined.empty(); ++i) {
      add(combined[static_cast<size_t>(i) * (combined.size() - 1) / static_cast<size_t>(options.spread + 1)]);
    }
    return out;
  }

  void measure(const std::vector<Candidate*>& chosen, CandidateModels& models) {
    {
      Progress progress("candidates", static_cast<int64_t>(chosen.size()), "models");
      for (Candidate* candidate : chosen) {
        candidate->row.measured_kl = models.kl(candidate->row);
        candidate->measured = true;
        if (moves_of(candidate->row) > 1)
          result.combinations.push_back({candidate->row, candidate->row.kl, *candidate->row.measured_kl});
        progress.advance();
      }
    }
    if (!clock) return;
    std::vector<ModelSpec> specs;
    for (const Candidate* candidate : chosen) specs.push_back(candidate->spec);
    for (const int64_t batch : batches) {
      const PlanClock::Timed timed = clock->time(batch, specs);
      for (size_t i = 0; i < chosen.size(); ++i) {
        PlanRow& row = chosen[i]->row;
        if (batch == batches.front()) row.measured_latency = timed.seconds[i];
        for (size_t b = 0; b < options.budgets.size(); ++b) {
          if (options.budgets[b].batch != batch) continue;
          // A share is one of the dense model as it runs now, in the same turns.
          if (!plan::holds(options.budgets[b], timed.seconds[i], timed.dense)) row.holds = false;
        }
      }
    }
  }

  // Measures until as many of the front as were asked for hold: where some are timed as too slow, predictions
  // are corrected by what the measured ones have in common.
  void measure_until_held(CandidateModels& models) {
    std::vector<double> most = limits;
    size_t holding = 0;
    for (int attempt = 0; attempt < 4 && holding < static_cast<size_t>(options.measured); ++attempt) {
      const std::vector<Candidate*> chosen =
          to_measure(inside(most), options.measured - static_cast<int>(holding), attempt == 0);
      if (chosen.empty()) break;
      measure(chosen, models);
      std::vector<double> slower;
      holding = 0;
      for (const Candidate& candidate : candidates) {
        if (!candidate.measured) continue;
        holding += candidate.row.holds;
        if (candidate.row.latency && candidate.row.measured_latency)
          slower.push_back(*candidate.row.measured_latency / *candidate.row.latency);
      }
      if (std::all_of(chosen.begin(), chosen.end(), [](const Candidate* c) { return c->row.holds; })) break;
      std::sort(slower.begin(), slower.end());
      const double ratio = slower.empty() ? 1.0 : std::max(1.0, slower[slower.size() / 2]);
      for (size_t i = 0; i < most.size(); ++i) {
        if (options.budgets[i].quantity == Quantity::kLatency) most[i] = limits[i] / ratio;
      }
      char text[160];
      std::snprintf(text, sizeof text,
                    "measured, candidates take %.2f times what was predicted (median), and some miss the "
                    "budget; others are looked at",
                    ratio);
      note(text);
    }
    if (holding == 0) {
      throw std::invalid_argument(
          "no candidate was measured within the budget, though some were predicted to be; raise the latency "
          "budget or run on a quieter machine");
    }
  }

  void note(const std::string& text) {
    log_info(text);
    result.notes.push_back(text);
  }

  std::vector<Candidate*> measured_by_loss() {
    std::vector<Candidate*> out;
    for (Candidate& candidate : candidates) {
      if (candidate.measured) out.push_back(&candidate);
    }
    std::sort(out.begin(), out.end(), [](const Candidate* a, const Candidate* b) {
      return *a->row.measured_kl < *b->row.measured_kl;
    });
    return out;
  }

  void evaluate(CandidateModels& models, const data::Dataset& evaluation,
                const eval::AccuracyOptions& accuracy) {
    result.dense_eval = eval::evaluate(dense, evaluation, accuracy);
    for (Candidate* candidate : measured_by_loss()) {
      candidate->row.eval = eval::evaluate(*models.make(candidate->row), evaluation, accuracy);
      candidate->row.paired = eval::compare_paired(result.dense_eval->correct, candidate->row.eval->correct);
    }
  }

  // The measured one that holds and loses least; built, where one is wanted, and the next one where what was
  // built misses after all.
  std::unique_ptr<model::Model> choose(const data::ImageBatch& images, const CandidateModels& models) {
    std::vector<Candidate*> order = measured_by_loss();
    std::erase_if(order, [](const Candidate* c) { return !c->row.holds; });
    result.chosen = order.front()->row;
    if (!options.build) return nullptr;
    for (size_t i = 0; i < order.size() && i < static_cast<size_t>(options.tries); ++i) {
      const PlanRow& row = order[i]->row;
      log_info("building " + plan::describe(row));
      Built built = build_candidate(dense, images, row, options, limits);
      for (const std::string& text : built.notes) note(text);
      std::string missed;
      try {
        missed = built_misses(built, dense, options, batches.front());
      } catch (const Interrupted&) {
        throw;
      } catch (const Error& error) {  // outputs that disagree
        if (std::any_of(options.budgets.begin(), options.budgets.end(),
                        [](const Budget& b) { return b.quantity == Quantity::kLatency; })) {
          missed = error.what();
        } else {
          note(std::string("what was built was not timed: ") + error.what());
        }
      }
      if (!missed.empty()) {
        note(plan::describe(row) + ": " + missed + "; the next candidate is tried");
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

  void tell_rows(const std::vector<Candidate*>& ordered) {
    result.candidates = static_cast<int64_t>(candidates.size());
    result.within = static_cast<int64_t>(ordered.size());
    for (const Candidate* candidate : ordered) {
      const bool shown = candidate->row.front || candidate->measured;
      (shown ? result.rows : result.dominated).push_back(candidate->row);
    }
    std::vector<std::pair<double, double>> pairs;
    for (const PlanCombination& combination : result.combinations)
      pairs.emplace_back(combination.predicted, combination.measured);
    result.kl_quality = plan::quality_of(pairs);
  }
};

Planner::Planner(const model::Model& dense, PlanOptions options)
    : impl_(std::make_unique<Impl>(dense, std::move(options))) {
  impl_->prepare();
}
Planner::~Planner() = default;

const std::optional<LatencyTable>& Planner::table() const { return impl_->result.table; }

Planned Planner::run(const data::ImageBatch& calibration, const data::Dataset* evaluation,
                     const eval::AccuracyOptions& accuracy) {
  const at::NoGradGuard no_grad;
  Impl& plan = *impl_;
  const PlanImages images = split_images(calibration, plan.options.plan_images);
  plan.result.fit_images = images.fit.size();
  plan.result.held_out_images = images.held_out.size();
  Stopwatch watch(plan.result.seconds);
  plan.choose_sets(images.fit);
  watch.lap("choose sets");
  CandidateModels models(plan.dense, images.fit, images.held_out, plan.options.prune.round,
                         plan.options.batch_size, plan.options.seed);
  plan.predict_losses(models);
  watch.lap("single moves");
  plan.measure_until_held(models);
  watch.lap("candidates");
  if (evaluation) {
    plan.evaluate(models, *evaluation, accuracy);
    watch.lap("evaluate");
  }
  Planned out;
  out.model = plan.choose(images.all, models);
  if (out.model) watch.lap("build");
  if (out.model && evaluation) {
    finish_built(plan.dense, *out.model, *plan.result.dense_eval, *evaluation, accuracy, *plan.result.built);
    watch.lap("evaluate");
  }
  plan.tell_rows(plan.inside(plan.limits));
  out.result = plan.result;
  return out;
}

}  // namespace vitrim::pipeline
