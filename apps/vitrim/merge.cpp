// vitrim merge: puts a schedule of token merging into a ViT.

#include "vitrim/pipeline/merge.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "core/counted.h"
#include "vitrim/bench/bench.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"

namespace vitrim::app {

namespace {

struct MergeFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  EvaluationFlags evaluation;
  pipeline::MergeOptions options;
  OutputFlags output;
  QuantizeFlag quantize;
  std::string calib, pairs;
  int64_t images = 64, pays_at = 32;
};

pipeline::MergeOptions options_of(const MergeFlags& flags) {
  pipeline::MergeOptions options = flags.options;
  if (!flags.pairs.empty()) options.schedule = std::to_string(options.start) + ":" + flags.pairs;
  options.choosing.batch_size = std::min<int64_t>(flags.common.batch_size, 16);
  return options;
}

// Fewer multiply-adds do not guarantee a speed-up, because matching takes time too.
void measure_speed(const MergeFlags& flags, const model::Model& merged, CompressResult& result) {
  if (flags.pays_at == 0 || !merged.spec().merges()) return;
  bench::BenchOptions options;
  options.batches = {flags.pays_at};
  options.threads = at::get_num_threads();
  options.rounds = 9;
  options.warmup = 0.2;
  options.peak_seconds = 0;
  log_info("timing the merged against the unmerged model at batch " + std::to_string(flags.pays_at) + " on " +
           counted(options.threads, "thread") + " (--pays-at 0 omits this)");
  const std::unique_ptr<model::Model> unmerged = merged.clone();
  unmerged->set_merging(std::vector<int64_t>(result.dense_spec.blocks.size(), 0));
  const bench::Compared compared =
      bench::compare(*unmerged, merged, options, runtime::parse_precision(flags.common.precision));
  result.speed = compared.speed;
  char text[200];
  std::snprintf(text, sizeof text,
                "%.2f times as fast as unmerged at batch %lld on %s (native engine; %.2f by multiply-adds)",
                result.speed->speedup, static_cast<long long>(result.speed->batch),
                counted(options.threads, "thread").c_str(), compared.predicted);
  if (result.speed->speedup < 1.03) {
    log_warning(std::string("don't merge for speed on this machine: ") + text);
  } else {
    log_info(text);
  }
}

void run(const MergeFlags& flags, const Context& context) {
  flags.common.apply(flags.output.output);
  const pipeline::MergeOptions options = options_of(flags);
  flags.output.check(flags.common.json);
  OutputFlags output = flags.output;
  output.weights = flags.model.weights;
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  if (flags.quantize.wanted) require_float_weights(model->spec(), "--quantize");
  try {
    pipeline::check_merge(model->spec(), options);
  } catch (const std::invalid_argument& error) {
    throw Error(error.what());
  }
  eval::AccuracyOptions accuracy;
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  std::optional<data::ImageBatch> images;
  if (!flags.calib.empty())
    images = load_unlabelled(flags.calib, flags.images, flags.common, flags.data, model->spec(),
                             flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Merged merged =
      pipeline::merge(*model, images ? &*images : nullptr, flags.quantize.wanted ? nullptr : evaluation.get(),
                      accuracy, options);
  CompressResult& result = merged.result;
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, flags.common, images ? images->fingerprint : "");
  result.model = flags.model.model;
  result.output = flags.output.output;
  try {
    measure_speed(flags, *merged.model, result);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    log_warning(std::string("merging was not timed: ") + error.what());
  }
  flags.quantize.apply(flags.common, *model, merged.model, result, images ? &*images : nullptr, nullptr,
                       evaluation.get(), accuracy);
  write_compressed(flags.common, *merged.model, result, output);
}

}  // namespace

void add_merge(CLI::App& app, Context& context) {
  auto flags = std::make_shared<MergeFlags>();
  CLI::App* command = app.add_subcommand(
      "merge", "merge the most similar tokens between attention and MLP (ToMe), block by block");
  flags->model.add_to(*command);
  command->add_option("--r", flags->pairs, "number of token pairs to merge in every block with attention")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--schedule", flags->options.schedule,
                      "token pairs to merge in blocks with attention: START:PAIRS, such as 1:24, or one "
                      "number per block with attention: 8,8,0,16");
  command->add_option("--target-macs", flags->options.target,
                      "multiply-adds to which the whole model is brought by merging as few token pairs as "
                      "possible: 60% or 2.1G");
  command
      ->add_option(
          "--start", flags->options.start,
          "for --r and --target-macs: number of blocks with attention, from the first on, that merge nothing")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_flag("--auto", flags->options.choose,
                    "search the number of pairs of every block for --target-macs on the images of --calib");
  command->add_option("--step", flags->options.choosing.step, "number of pairs that --auto adds at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option(
      "--calib", flags->calib,
      "images (labels unused) for the search of --auto and for the pictures of the report page");
  flags->quantize.add_to(*command);
  command
      ->add_option("--images", flags->images, "number of images of --calib to use, spread over the whole set")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--pictures", flags->options.pictures,
                   "number of calibration images that the report page shows with their merged tokens")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  command
      ->add_option("--pays-at", flags->pays_at,
                   "batch size at which the merged and the unmerged model are timed, to find whether merging "
                   "is faster on this machine; 0: no timing")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  flags->evaluation.add_to(*command);
  flags->output.add_to(*command, "the merged checkpoint");
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
