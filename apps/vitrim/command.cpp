#include "command.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "examples.h"
#include "flag_rules.h"
#include "streams.h"
#include "terminal_sink.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/log.h"
#include "vitrim/core/macs_target.h"
#include "vitrim/core/manifest.h"
#include "vitrim/data/loader.h"
#include "vitrim/hub/hub.h"
#include "vitrim/report/report.h"

namespace vitrim::app {

void add_commands(CLI::App& app, Context& context) {
  add_compress(app, context);
  add_prune(app, context);
  add_merge(app, context);
  add_quantize(app, context);
  add_plan(app, context);
  add_bench(app, context);
  add_analyze(app, context);
  add_eval(app, context);
  add_inspect(app, context);
  add_report(app, context);
  add_sweep(app, context);
  add_train(app, context);
  add_dilute(app, context);
  add_export(app, context);
  add_run(app, context);
  add_completion(app, context);
  add_examples(app);
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    command->group("Commands");
  // Combinations of flags are checked before any work.
  app.callback([&app, &context] {
    context.run = [command = app.get_subcommands().front(), run = std::move(context.run)] {
      check_flags(*command);
      run();
    };
  });
}

void CommonFlags::add_to(CLI::App& command, bool computes) {
  add_output(command);
  if (!computes) return;
  add_threads(command);
  command.add_option("--seed", seed, "seed of all random numbers")->capture_default_str();
  add_numbers(command);
}

void CommonFlags::apply(const std::string& output) const {
  if (threads > 0) at::set_num_threads(threads);
  set_log_sink(make_terminal_sink(quiet));
  if (!json.empty() && json != "-") hub::check_writable(json, output);
}

std::unique_ptr<model::Model> ModelFlags::load(const std::string& precision) const {
  auto loaded = model::load_model(model, hints());
  check_task(loaded->spec());
  loaded->set_compute_dtype(model::parse_compute_dtype(precision));
  return loaded;
}

void FeatureFlags::add_to(CLI::App& command) {
  command
      .add_option("--knn", neighbours,
                  "evaluate features instead of a classifier: this many nearest neighbours among the images "
                  "of --train vote for the class; default: 20 if only --train is passed")
      ->check(CLI::Range(1, 100000));
  command.add_option("--train", train,
                     "labelled images for the evaluation of features, by nearest neighbours or by --probe");
  command.add_flag("--probe", probe,
                   "evaluate features by a linear classifier fitted to --train in closed form");
}

void FeatureFlags::apply(const DataFlags& data, const ModelSpec& spec,
                         eval::AccuracyOptions& accuracy) const {
  if (!any()) return;
  accuracy.gallery = data::open_dataset(train, data.dataset(spec));
  accuracy.probe = probe;
  if (neighbours > 0) accuracy.neighbours = neighbours;
}

std::shared_ptr<const data::Dataset> spread_images(const std::shared_ptr<const data::Dataset>& whole,
                                                   int64_t count, const eval::AccuracyOptions& accuracy,
                                                   const std::string& images_flag,
                                                   const std::string& count_flag) {
  auto part = data::spread_images(whole, count);
  if (part != whole && eval::is_gallery(*whole, accuracy))
    throw UsageError("--train and " + images_flag + " are the same images, so with " + count_flag +
                     " each would be its own nearest neighbour; leave " + count_flag +
                     " out, or name other images with --train");
  return part;
}

void SegmentationFlags::add_to(CLI::App& command) {
  command
      .add_option("--window", window,
                  "segmentation: side of windows that slide over an image, in pixels; default: whole images")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--stride", stride,
                  "segmentation: distance between windows in pixels; default: two thirds of the window")
      ->check(CLI::PositiveNumber);
  command.add_option("--pictures", pictures, "segmentation: number of images whose masks the result shows")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
}

void SegmentationFlags::apply(const ModelSpec& spec, eval::AccuracyOptions& accuracy) const {
  if (!spec.segmentation && (window > 0 || stride > 0))
    throw UsageError(
        "--window and --stride apply to models for segmentation, but this model classifies images");
  if (stride > 0 && window == 0)
    throw UsageError("--stride is the distance between windows; pass --window too");
  accuracy.window = window;
  accuracy.stride = stride;
  accuracy.pictures = pictures;
}

Manifest manifest_of(const Context& context, const CommonFlags& flags, const std::string& data_fingerprint) {
  Manifest manifest = make_manifest(context.command_line, flags.seed, at::get_num_threads());
  manifest.torch_version = TORCH_VERSION;
  manifest.instruction_set = at::get_cpu_capability();
  manifest.data_fingerprint = data_fingerprint;
  return manifest;
}

void write_report(const std::string& path, const std::string& output, const std::string& json,
                  const std::string& subject) {
  if (path.empty()) return;
  write_text_file(path, report::render({{output, json}},
                                       "vitrim: " + std::filesystem::path(subject).filename().string()));
}

std::string difference_text(const PairedResult& paired) {
  char text[160];
  std::snprintf(text, sizeof text, "paired difference %+.1f points (95 %% interval %+.1f to %+.1f",
                100 * paired.difference, 100 * paired.ci95.first, 100 * paired.ci95.second);
  char p[48] = ")";
  if (!std::isnan(paired.mcnemar_p)) std::snprintf(p, sizeof p, ", McNemar p = %.2g)", paired.mcnemar_p);
  return std::string(text) + p;
}

std::string millions(int64_t count) { return fixed(static_cast<double>(count) / 1e6, 3) + " M"; }
std::string billions(int64_t count) { return giga(count); }

}  // namespace vitrim::app
