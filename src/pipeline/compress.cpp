#include "vitrim/pipeline/compress.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pipeline/controls.h"
#include "pipeline/describe_models.h"
#include "pipeline/own_model.h"
#include "pipeline/stopwatch.h"
#include "pipeline/subset.h"
#include "vitrim/analysis/layer_trace.h"
#include "vitrim/analysis/spectrum.h"
#include "vitrim/architecture/cost.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"
#include "vitrim/eval/statistics.h"
#include "vitrim/surgery/make_static.h"
#include "vitrim/surgery/remove_attention.h"

namespace vitrim::pipeline {

namespace {

std::unique_ptr<model::Model> cut(const model::Model& dense, const std::vector<int>& layers,
                                  const CompressOptions& options) {
  surgery::SpecAndWeights parts{dense.spec(), dense.parameters()};
  if (!options.static_layers.empty())
    parts = surgery::make_static(parts, options.static_layers, options.static_filter);
  return own_model(surgery::fold_stream_gains(surgery::remove_attention(parts, layers)), dense);
}

// The spec after the removal of `layers`.
ModelSpec cut_spec(const ModelSpec& spec, const std::vector<int>& layers, const CompressOptions& options) {
  const ModelSpec some = options.static_layers.empty()
                             ? spec
                             : surgery::make_static(spec, options.static_layers, options.static_filter);
  return surgery::remove_attention(some, layers);
}

using Student = CompressState::Student;

Student make_student(const model::Model& dense, const std::vector<int>& layers,
                     const data::ImageBatch& calibration, const CompressOptions& options,
                     Stopwatch* watch = nullptr, CompressState* state = nullptr) {
  Student student{cut(dense, layers, options), {}};
  CompressState none;
  const auto stage = [&](const char* name, const std::function<void(const absorb::AbsorbOptions&)>& work) {
    (state ? *state : none).stage(student, dense, [&](const absorb::FitKeeper* keeper) {
      absorb::AbsorbOptions fit = options.absorb;
      fit.keeper = keeper;
      work(fit);
    });
    if (watch) watch->lap(name);
  };
  auto absorb = [&] {
    if (!options.absorb_layers) return;
    stage("absorb", [&](const absorb::AbsorbOptions& fit) {
      student.report = absorb::absorb(*student.model, dense, calibration, fit);
    });
  };
  const bool prunes = options.prune.prunes();
  // Channels are scored in a model whose MLPs are already fitted to do the work of the removed layers.
  if (!prunes || !layers.empty() || !options.static_layers.empty()) absorb();
  if (prunes) {
    if (watch && dense.spec().qk_norm)
      log_info("q and k keep their channels: all heads share the weights of their norm");
    // Images that evaluate the fit are not used to choose channels either.
    stage("choose channels", [&](const absorb::AbsorbOptions&) {
      student.model = prune_channels(
          *student.model,
          options.absorb_layers ? absorb::fit_images(calibration, options.absorb) : calibration,
          options.prune);
    });
    absorb();
  }
  if (!options.absorb_layers) return student;
  const bool changed = prunes || !layers.empty() || !options.static_layers.empty();
  const auto go_on = [&](const char* name, auto&& step) {
    stage(name, [&](const absorb::AbsorbOptions& fit) {
      const absorb::AbsorbReport before = student.report;
      student.report = step(absorb::held_out_images(calibration, options.absorb), fit);
      student.report.fit_images = before.fit_images;
      student.report.plain_kl = before.plain_kl;
      student.report.plain_agreement = before.plain_agreement;
    });
  };
  if (changed && options.refine.passes > 0) {
    go_on("refine", [&](const data::ImageBatch& held_out, const absorb::AbsorbOptions& fit) {
      return absorb::refine(*student.model, dense, options.more, held_out, fit, options.refine);
    });
  }
  if (changed && options.distill.epochs > 0) {
    go_on("distil", [&](const data::ImageBatch& held_out, const absorb::AbsorbOptions& fit) {
      return absorb::distill(*student.model, dense, options.more, held_out, fit, options.distill);
    });
  }
  return student;
}

std::vector<int> removable(const ModelSpec& spec, const CompressOptions& options) {
  std::vector<int> out;
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    const int layer = static_cast<int>(i);
    const bool fixed = std::count(options.static_layers.begin(), options.static_layers.end(), layer) > 0;
    if (spec.blocks[i].attention != AttentionKind::kNone && !fixed) out.push_back(layer);
  }
  return out;
}

// The layers that cause the least loss as static attention, after the removal of `removed`.
std::vector<int> choose_static(const model::Model& dense, const std::vector<int>& removed,
                               const data::ImageBatch& calibration, const CompressOptions& options) {
  std::vector<int> able = surgery::layers_to_fix(dense.spec());
  std::erase_if(able, [&](int layer) { return std::count(removed.begin(), removed.end(), layer) > 0; });
  const auto fixed =
      own_model(surgery::make_static({dense.spec(), dense.parameters()}, able, options.static_filter), dense);
  const data::ImageBatch images = subset(calibration, options.analyze.absorbed_images);
  absorb::AbsorbedScorerOptions scoring = options.analyze.absorbed;
  scoring.removed = removed;
  absorb::AbsorbedScorer scorer(dense, images, scoring, fixed.get());
  select::SearchOptions search = options.analyze.search;
  search.count = options.static_count;
  const auto layers = static_cast<double>(able.size());
  search.beam_candidates =
      std::max(search.count + 1, static_cast<int>(std::ceil(options.analyze.absorbed_candidates * layers)));
  return select::search(scorer, search).sets.front().result.layers;
}

// Whether layers are analysed: to choose some of them, or because their figures or the controls are
// requested.
bool needs_scores(const CompressOptions& options) {
  return options.remove_layers &&
         (options.analyze.count > 0 || options.analyze.both_criteria || options.controls);
}

// All control sets, absorbed and evaluated like the chosen one.
void run_controls(const model::Model& dense, const std::vector<int>& layers,
                  const data::ImageBatch& calibration, const data::Dataset* evaluation,
                  const eval::AccuracyOptions& accuracy, const CompressOptions& options,
                  CompressResult& result) {
  analysis::LayerTraceOptions trace_options;
  trace_options.other_estimator = false;
  trace_options.group = options.analyze.te.group;
  const analysis::LayerTrace trace =
      analysis::trace_layers(dense, subset(calibration, options.analyze.te_images), trace_options);
  const auto plans =
      plans_to_compare(result.scores ? &*result.scores : nullptr, layers, removable(dense.spec(), options),
                       trace.attention_norm, options.random_controls, options.absorb.seed);
  for (const CompressionPlan& plan : plans) {
    if (options.prune.prunes()) {
      try {
        check_prune(cut_spec(dense.spec(), plan.remove_attention, options), options.prune);
      } catch (const std::invalid_argument& error) {
        log_warning("control " + plan.reason + " is left out: " + error.what());
        continue;
      }
    }
    log_info("control " + plan.reason + ": " + format_layer_list(plan.remove_attention));
    Student student = make_student(dense, plan.remove_attention, calibration, options);
    ControlResult control;
    control.name = plan.reason;
    control.layers = plan.remove_attention;
    control.held_out_kl = student.report.kl;
    if (evaluation) {
      control.eval = eval::evaluate(*student.model, *evaluation, accuracy);
      control.paired = eval::compare_paired(*result.dense, control.eval);
    }
    result.controls.push_back(std::move(control));
  }
}

}  // namespace

void check_compress(const ModelSpec& spec, const CompressOptions& options) {
  std::vector<int> order = removable(spec, options);
  cut_spec(spec, options.layers, options);  // throws on layers that can't be removed or made static
  if (options.static_count > 0) {
    const auto able = static_cast<int>(surgery::layers_to_fix(spec).size());
    const int gone =
        options.layers.empty() ? std::max(options.analyze.count, 0) : static_cast<int>(options.layers.size());
    if (options.static_count > able - gone)
      throw std::invalid_argument("can't make " + std::to_string(options.static_count) +
                                  " attention layers static: the model has " + std::to_string(able) +
                                  " that can be" +
                                  (gone > 0 ? ", and " + std::to_string(gone) + " are removed" : ""));
  }
  if (options.remove_layers && options.layers.empty() &&
      options.analyze.count > static_cast<int>(order.size())) {
    throw std::invalid_argument("can't remove " + std::to_string(options.analyze.count) +
                                " attention layers: the model has " + std::to_string(order.size()) +
                                (options.static_layers.empty() ? "" : " that do not become static"));
  }
  if (!options.prune.prunes()) return;
  const auto check = [&](const std::vector<int>& layers) {
    check_prune(cut_spec(spec, layers, options), options.prune);
  };
  const auto count = std::min(order.size(), static_cast<size_t>(std::max(options.analyze.count, 0)));
  if (!options.layers.empty() || !options.remove_layers || count == 0) return check(options.layers);
  // The layers are not chosen yet. Removing the cheapest leaves the most, removing the most expensive leaves
  // the least.
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return architecture::attention_macs(spec, a) < architecture::attention_macs(spec, b);
  });
  try {
    check({order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count)});
  } catch (const std::invalid_argument&) {
    check({order.end() - static_cast<std::ptrdiff_t>(count), order.end()});
  }
}

void check_images(int64_t count, const CompressOptions& options) {
  const int64_t chosen_on = options.absorb_layers ? absorb::fit_count(count, options.absorb) : count;
  if (!options.prune.prunes() || options.prune.criterion != "apma" || chosen_on >= prune::kFewestImages)
    return;
  throw std::invalid_argument("[pipeline::compress] apma learns on at least " +
                              std::to_string(prune::kFewestImages) +
                              " images that are not held out, but of " + std::to_string(count) + " only " +
                              std::to_string(chosen_on) + " are available; use more images");
}

Absorbed absorb_removal(const model::Model& dense, const std::vector<int>& layers,
                        const data::ImageBatch& calibration, const absorb::AbsorbOptions& options) {
  Absorbed out{cut(dense, layers, {}), {}};
  out.report = absorb::absorb(*out.model, dense, calibration, options);
  return out;
}

Compressed compress(const model::Model& dense, const data::ImageBatch& calibration,
                    const data::Dataset* evaluation, const eval::AccuracyOptions& accuracy,
                    const CompressOptions& given) {
  CompressOptions options = given;
  check_images(calibration.size(), options);
  Compressed out;
  CompressResult& result = out.result;
  Stopwatch watch(result.seconds);
  std::vector<int> layers = options.layers;
  std::vector<std::string> reasons;
  if (!layers.empty()) reasons.emplace_back("named");
  if (layers.empty() && needs_scores(options)) {
    AnalyzeOptions search = options.analyze;
    search.kept = options.static_layers;
    const bool known = options.state && options.state->scores();
    result.scores = options.scores ? *options.scores
                    : known        ? *options.state->scores()
                                   : analyze(dense, calibration, search);
    if (options.state && !known) options.state->keep_scores(*result.scores);
    layers = result.scores->chosen;
    if (!layers.empty()) reasons.push_back(result.scores->criterion + ", " + result.scores->search);
    watch.lap("analyze");
    log_info("removing the attention of " + (layers.empty() ? "no layer" : format_layer_list(layers)));
  }
  std::string how;
  if (options.static_count > 0) {
    const bool known = options.state && options.state->fixed();
    options.static_layers =
        known ? *options.state->fixed() : choose_static(dense, layers, calibration, options);
    if (options.state && !known) options.state->keep_fixed(options.static_layers);
    watch.lap("choose static");
    how = " (" + format_choice("absorbed, " + select::to_string(options.analyze.search.strategy)) + ")";
    log_info("making the attention of " + format_layer_list(options.static_layers) + " static");
  }
  if (!options.static_layers.empty())
    reasons.push_back("the attention of " + format_layer_list(options.static_layers) + " made static" + how);
  if (options.prune.prunes()) reasons.push_back(describe(options.prune));
  for (const std::string& reason : reasons) result.reason += (result.reason.empty() ? "" : "; ") + reason;
  Student student = make_student(dense, layers, calibration, options, &watch, options.state);
  result.removed = layers;
  result.held_out_kl = student.report.kl;
  result.held_out_agreement = student.report.agreement;
  if (student.report.held_out_images > 0)
    result.features = FeatureFigures{student.report.held_out_images, student.report.feature_cosine,
                                     student.report.feature_cosine_p05};

  describe_models(dense.spec(), student.model->spec(), result);
  if (evaluation) {
    result.dense = options.dense_eval;
    evaluate_models(dense, *student.model, *evaluation, accuracy, result);
    watch.lap("evaluate");
  }
  result.compressed_spectrum = analysis::measure_spectrum(
      *student.model, subset(calibration, options.analyze.te_images), 50, options.analyze.te.group);
  if (options.controls) {
    run_controls(dense, layers, calibration, evaluation, accuracy, options, result);
    watch.lap("controls");
  }
  out.model = std::move(student.model);
  return out;
}

}  // namespace vitrim::pipeline
