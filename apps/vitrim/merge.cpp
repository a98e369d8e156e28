// vitrim merge: put a schedule of merged tokens into a ViT.

#include <chrono>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/pipeline/merge.h"

namespace vitrim::app {

namespace {

struct Flags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  EvaluationFlags evaluation;
  pipeline::MergeOptions options;
  std::string calib, pairs, output, report;
  int64_t images = 64;
};

pipeline::MergeOptions options_of(const Flags& flags) {
  pipeline::MergeOptions options = flags.options;
  const int ways = !flags.pairs.empty() + !options.schedule.empty() + !options.target.empty();
  if (ways != 1) throw UsageError("say how much to merge, in one of these ways: --r 13, --schedule 1:24 or --target-macs 60%");
  if (options.choose && options.target.empty()) throw UsageError("--auto needs to know how far to go: --target-macs 60%");
  if (options.choose && flags.calib.empty()) throw UsageError("--auto chooses on images: --calib DIR");
  if (options.choose && options.start != 0) throw UsageError("--auto finds by itself where to start; leave --start out");
  if (options.start != 0 && !options.schedule.empty()) throw UsageError("--schedule says itself where it starts; leave --start out");
  if (!flags.pairs.empty()) options.schedule = std::to_string(options.start) + ":" + flags.pairs;
  options.choosing.batch_size = std::min<int64_t>(flags.common.batch_size, 16);
  return options;
}

void run(const Flags& flags, const Context& context) {
  flags.common.apply();
  const pipeline::MergeOptions options = options_of(flags);
  check_writable(flags.output);
  if (!flags.report.empty()) check_writable(flags.report);
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  try {
    pipeline::check_merge(model->spec(), options);
  } catch (const std::invalid_argument& error) {
    throw Error(error.what());
  }
  eval::AccuracyOptions accuracy;
  const auto evaluation = flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  std::optional<data::ImageBatch> images;
  if (!flags.calib.empty()) {
    AnalyzeFlags loader;
    loader.calib = flags.calib;
    loader.images = flags.images;
    DataFlags data = flags.data;
    data.classes.clear();
    images = loader.load(flags.common, data, model->spec(), flags.model.model);
  }
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Merged merged = pipeline::merge(*model, images ? &*images : nullptr, evaluation.get(), accuracy, options);
  CompressResult& result = merged.result;
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, flags.common, images ? images->fingerprint : "");
  result.model = flags.model.model;
  result.output = flags.output;
  write_compressed(flags.common, *merged.model, result, flags.report);
}

}  // namespace

void add_merge(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("merge", "merge the most alike tokens between attention and MLP (ToMe), block by block");
  flags->model.add_to(*command);
  command->add_option("--r", flags->pairs, "pairs merged in every block that keeps its attention")->check(CLI::NonNegativeNumber);
  command->add_option("--schedule", flags->options.schedule, "1:24 (start, counted among blocks with attention, and pairs) or one number per such block: 8,8,0,16");
  command->add_option("--target-macs", flags->options.target, "as few pairs as bring the whole model to these multiply-adds: 60% or 2.1G");
  command->add_option("--start", flags->options.start, "of --r and --target-macs: blocks with attention that merge nothing")->check(CLI::Range(0, 1000))->capture_default_str();
  command->add_flag("--auto", flags->options.choose, "find how many pairs each block merges for --target-macs, on the images of --calib");
  command->add_option("--step", flags->options.choosing.step, "of --auto: pairs added at a time")->check(CLI::Range(1, 64))->capture_default_str();
  command->add_option("--calib", flags->calib, "images (labels unused) that --auto chooses on, and that the page draws");
  command->add_option("--images", flags->images, "of these, spread over all")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--pictures", flags->options.pictures, "calibration images drawn with their merged tokens")->check(CLI::Range(0, 64))->capture_default_str();
  flags->evaluation.add_to(*command);
  command->add_option("-o,--output", flags->output, "the checkpoint with its schedule (.safetensors)")->required();
  command->add_option("--report", flags->report, "write a page that shows what was done");
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
