// vitrim plan: finds the best model within a budget.

#include "vitrim/pipeline/plan.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <filesystem>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"
#include "vitrim/core/plan_artifacts.h"
#include "vitrim/hub/hub.h"

namespace vitrim::app {

namespace {

struct PlanFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  EvaluationFlags evaluation;
  AbsorbFlags absorb;
  OutputFlags output;
  std::vector<std::string> budgets;
  std::string calib, table, without, channels_by = "apma";
  int64_t images = 1000;
  pipeline::PlanOptions options;
  Settings settings;
};

void switch_off(const std::string& text, plan::GridOptions& grid) {
  std::string rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string word = rest.substr(0, comma);
    if (word == "removal") {
      grid.remove = false;
    } else if (word == "static") {
      grid.fix = false;
    } else if (word == "pruning") {
      grid.prune = false;
    } else if (word == "mlp") {
      grid.mlp = false;
    } else if (word == "merging") {
      grid.merge = false;
    } else {
      throw UsageError("--without: unknown kind '" + word +
                       "'; the kinds are removal, static, pruning, mlp and merging");
    }
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
  }
}

pipeline::PlanOptions options_of(const PlanFlags& flags) {
  pipeline::PlanOptions options = flags.options;
  for (const std::string& text : flags.budgets) {
    try {
      options.budgets.push_back(plan::parse_budget(text));
    } catch (const std::invalid_argument& error) {
      throw UsageError(std::string("--budget: ") + error.what());
    }
  }
  switch_off(flags.without, options.grid);
  options.threads = at::get_num_threads();
  options.precision = runtime::parse_precision(flags.common.precision);
  options.seed = flags.common.seed;
  options.batch_size = flags.common.batch_size;
  options.absorb = flags.absorb.options(flags.common);
  options.prune.criterion = flags.channels_by;
  options.prune.indicators.seed = flags.common.seed;
  if (flags.channels_by != "apma") {
    try {
      prune::parse_channel_criterion(flags.channels_by);
    } catch (const std::invalid_argument& error) {
      throw UsageError(std::string("--channels-by: ") + error.what());
    }
  }
  options.build = !flags.output.output.empty();
  return options;
}

std::string milliseconds(const std::optional<double>& seconds) {
  return seconds ? plan::show(plan::Quantity::kLatency, *seconds) : "-";
}

void print_row(const PlanRow& row, const std::string& mark) {
  char kl[32] = "-";
  if (row.measured_kl) std::snprintf(kl, sizeof kl, "%.4f", *row.measured_kl);
  std::string top1 = "";
  if (row.eval)
    top1 = "  " + percent(row.eval->top1) + " (" + percent(row.eval->top1_ci95.first) + " to " +
           percent(row.eval->top1_ci95.second) + ")";
  const auto& [start, pairs] = row.merging;
  const std::string merged = (start > 0 ? std::to_string(start) + ":" : "") + std::to_string(pairs);
  tell("%1s %-16s %-16s %5s %5s %5s %4s %11s %11s %11s %11s %9.4f %9s%s%s\n", mark.c_str(),
       row.removed.empty() ? "none" : format_layer_list(row.removed).c_str(),
       row.fixed.empty() ? "none" : format_layer_list(row.fixed).c_str(),
       row.width > 0 ? std::to_string(row.width).c_str() : "all",
       row.mlp > 0 ? std::to_string(row.mlp).c_str() : "all", merged.c_str(), row.int8 ? "int8" : "",
       millions(row.params).c_str(), billions(row.macs).c_str(), milliseconds(row.latency).c_str(),
       milliseconds(row.measured_latency).c_str(), row.kl, kl, top1.c_str(),
       row.holds ? "" : "  over the budget as measured");
}

void print_quality(const std::string& what, const PredictionQuality& quality) {
  if (quality.count == 0) return;
  tell("%s: median error %s, worst %s", what.c_str(), percent(quality.median_error).c_str(),
       percent(quality.worst_error).c_str());
  if (quality.rank_agreement) tell(", rank agreement (Kendall's tau) %.2f", *quality.rank_agreement);
  tell("; %lld models\n", static_cast<long long>(quality.count));
}

void print_plan(const PlanResult& r) {
  for (const PlanLimit& limit : r.limits) {
    const plan::Quantity quantity = limit.quantity == "latency" ? plan::Quantity::kLatency
                                    : limit.quantity == "macs"  ? plan::Quantity::kMacs
                                                                : plan::Quantity::kParams;
    tell("%s: at most %s; the dense model needs %s, candidates come down to %s\n", limit.text.c_str(),
         plan::show(quantity, limit.limit).c_str(), plan::show(quantity, limit.dense).c_str(),
         plan::show(quantity, limit.floor).c_str());
  }
  print_quality("latency predicted from pieces against whole models", r.latency_quality);
  print_quality("loss predicted from single moves against combinations", r.kl_quality);
  tell(
      "%lld of %lld candidates are within the budget by prediction; the Pareto front and other measured "
      "candidates, on %lld images that no fit used:\n",
      static_cast<long long>(r.within), static_cast<long long>(r.candidates),
      static_cast<long long>(r.held_out_images));
  tell("  %-16s %-16s %5s %5s %5s %4s %11s %11s %11s %11s %9s %9s%s\n", "removed", "static", "width", "mlp",
       "pairs", "", "params", "MACs", "predicted", "measured", "loss", "measured",
       r.dense_eval ? "  top-1" : "");
  int unmeasured = 0;
  for (const PlanRow& row : r.rows) {
    const bool chosen = r.chosen && same_moves(row, *r.chosen);
    if (row.measured_kl || unmeasured++ < 5) print_row(row, chosen ? "*" : "");
  }
  if (unmeasured > 5) tell("  and %d of the Pareto front that were not measured\n", unmeasured - 5);
  if (r.dense_eval) {
    tell("dense: top-1 %s (%s to %s) on %lld images\n", percent(r.dense_eval->top1).c_str(),
         percent(r.dense_eval->top1_ci95.first).c_str(), percent(r.dense_eval->top1_ci95.second).c_str(),
         static_cast<long long>(r.dense_eval->images));
  }
  for (const std::string& note : r.notes) tell("note: %s\n", note.c_str());
  if (!r.built) return;
  tell("built *: %s parameters, %s MACs", millions(r.built->compressed_params).c_str(),
       billions(r.built->compressed_macs).c_str());
  if (r.built_latency)
    tell(", %s (%.2f times as fast as dense, interleaved)", milliseconds(r.built_latency).c_str(),
         r.built->speed->speedup);
  tell(", held-out KL %.4f\n", r.built_kl.value_or(0));
  if (r.built->compressed && r.built->paired) {
    tell(
        "top-1 %s; paired difference to dense %+.1f points (95 %% interval %+.1f to %+.1f, McNemar p = "
        "%.2g)\n",
        percent(r.built->compressed->top1).c_str(), 100 * r.built->paired->difference,
        100 * r.built->paired->ci95.first, 100 * r.built->paired->ci95.second, r.built->paired->mcnemar_p);
  }
  tell("wrote %s\n", r.output.c_str());
}

void run(const PlanFlags& flags, const Context& context) {
  flags.common.apply(flags.output.output);
  flags.settings.apply();
  pipeline::PlanOptions options = options_of(flags);
  flags.output.check(flags.common.json);
  OutputFlags output = flags.output;
  output.weights = flags.model.weights;
  if (!flags.table.empty()) {
    if (std::filesystem::exists(flags.table)) {
      options.table_source = flags.table;
      options.table = latency_table_from_json(read_text_file(flags.table), flags.table);
    } else {
      check_writable(flags.table);
    }
  }
  if (!flags.table.empty())
    options.keep_table = [&](const LatencyTable& table) { write_text_file(flags.table, to_json(table)); };
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  require_float_weights(model->spec(), "planning");
  eval::AccuracyOptions accuracy;
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  flags.data.preprocess(model->spec(),
                        flags.model.model);  // mistakes in it are reported before anything is timed
  std::unique_ptr<pipeline::Planner> planner;
  try {
    planner = std::make_unique<pipeline::Planner>(*model, options);
  } catch (const std::invalid_argument& error) {
    throw Error(error.what());
  }
  const data::ImageBatch images =
      load_unlabelled(flags.calib, flags.images, flags.common, flags.data, model->spec(), flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Planned planned = planner->run(images, evaluation.get(), accuracy);
  PlanResult& result = planned.result;
  result.seconds.insert(result.seconds.begin(), {"load and time", loading});
  result.manifest = manifest_of(context, flags.common, images.fingerprint);
  result.manifest.settings = flags.settings.changed();
  result.model = flags.model.model;
  result.output = flags.output.output;
  hub::NewFolder folder(planned.model ? result.output : "");
  OutputSet files;
  if (planned.model) {
    result.built->manifest = result.manifest;
    result.built->model = result.model;
    result.built->output = result.output;
    save_compressed(*planned.model, *result.built, output);
  }
  const std::string json = to_json(result);
  flags.common.write_json(json);
  write_report(flags.output.report, result.output.empty() ? "plan" : result.output, json, flags.model.model);
  files.commit();
  folder.keep();
  if (flags.common.speaks()) print_plan(result);
}

}  // namespace

void add_plan(CLI::App& app, Context& context) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App* command = app.add_subcommand(
      "plan",
      "build the best model within a budget from static or removed attention, pruning, merging and int8");
  flags->model.add_to(*command);
  command
      ->add_option(
          "--budget", flags->budgets,
          "limit that the built model must meet, such as latency<=12ms@batch1, latency<=70%@batch32, "
          "macs<=60% or params<=5.1M; may be repeated, and all limits must hold")
      ->required()
      ->allow_extra_args(false);
  command
      ->add_option("--calib", flags->calib,
                   "calibration images, labels unused: image folder, tar shards, CIFAR .bin file, or "
                   "synthetic:calib[:COUNT]")
      ->required();
  command
      ->add_option("--images", flags->images, "number of images of --calib to use, spread over the whole set")
      ->check(CLI::Range(11, 10000000))
      ->capture_default_str();
  command
      ->add_option("--plan-images", flags->options.plan_images,
                   "number of calibration images on which moves and candidates are measured; a quarter of "
                   "them is kept out of the fits, for measuring")
      ->check(CLI::Range(11, 1000000))
      ->capture_default_str();
  command
      ->add_option("--measure", flags->options.measured,
                   "number of candidates on the Pareto front that are built and measured")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--without", flags->without,
                      "kinds of moves to leave out: removal, static (attention), pruning (of heads), mlp "
                      "(pruning of MLPs) and "
                      "merging, with commas between");
  command->add_flag("--quantize", flags->options.grid.quantize,
                    "add int8 to the moves: candidates are also timed and measured with int8 linear layers, "
                    "and the best model is built in int8 if that is better");
  command
      ->add_option("--most-removed", flags->options.grid.most_removed,
                   "largest number of attention layers to remove; default: half of them")
      ->check(CLI::Range(0, 1000));
  command
      ->add_option("--channels-by", flags->channels_by,
                   "criterion that chooses the built model's channels: apma, magnitude, taylor, energy, "
                   "energy_centred, difference or random")
      ->capture_default_str();
  command
      ->add_option("--latency-table", flags->table,
                   "file of times measured on this machine; it is read if it exists, and is otherwise "
                   "measured and written")
      ->type_name("FILE");
  command->add_option("--rounds", flags->options.rounds, "number of rounds of the interleaved timing")
      ->check(CLI::Range(3, 10000))
      ->capture_default_str();
  flags->evaluation.add_to(*command);
  flags->output.add_to(*command, "build the best model within the budget and write it");
  command->get_option("--output")->required(false);
  flags->absorb.add_to(*command);
  flags->settings.add_to(*command, {fit_keys(flags->absorb.values), channel_keys(flags->options.prune)});
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
