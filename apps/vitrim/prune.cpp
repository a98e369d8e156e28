// vitrim prune: choose channels of the attention that stays, cut them, refit what reads them.

#include <chrono>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::app {

namespace {

struct Flags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  EvaluationFlags evaluation;
  AbsorbFlags absorb;
  PruneFlags prune;
  std::string images_from, output, report;
  int64_t images = 0;
  bool few_shot = false;
};

void run(const Flags& flags, const Context& context) {
  flags.common.apply();
  pipeline::CompressOptions options;
  options.remove_layers = false;
  options.prune = flags.prune.options(flags.common);
  if (options.prune.target.empty()) throw UsageError("say how far: --target-macs 70% (of the whole model) or --attention-macs 60% (of its attention layers)");
  const bool masked = !options.prune.per_head || !options.prune.indicators.equal_proportions;
  if (masked && !flags.output.empty()) throw UsageError("heads of unequal widths can be compared (leave -o out), not cut and written");
  if (!masked && flags.output.empty()) throw UsageError("--output is required");
  if (!flags.output.empty()) check_writable(flags.output);
  if (!flags.report.empty()) check_writable(flags.report);
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  try {
    pipeline::check_prune(model->spec(), options.prune);
  } catch (const std::invalid_argument& error) {
    throw Error(error.what());
  }
  options.absorb = flags.absorb.options(flags.common);
  options.absorb_layers = !flags.absorb.none;
  eval::AccuracyOptions accuracy;
  const auto evaluation = flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  AnalyzeFlags loader;
  loader.calib = flags.images_from;
  loader.images = flags.images;
  DataFlags data = flags.data;
  data.classes.clear();  // labels are not used
  const data::ImageBatch images = loader.load(flags.common, data, model->spec(), flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Compressed pruned = pipeline::compress(*model, images, evaluation.get(), accuracy, options);
  CompressResult& result = pruned.result;
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, flags.common, images.fingerprint);
  result.model = flags.model.model;
  result.output = flags.output;
  write_compressed(flags.common, *pruned.model, result, flags.report);
}

}  // namespace

void add_prune(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("prune", "prune channels of attention (and MLPs), refit what reads them, write a smaller checkpoint");
  flags->model.add_to(*command);
  command->add_option("--data", flags->images_from, "images, some 1000, whose labels are not used")->required();
  command->add_option("--images", flags->images, "use only so many of them, spread evenly")->check(CLI::PositiveNumber);
  command->add_flag("--few-shot", flags->few_shot, "indicators and refit from these images alone, without labels (so far the only way; fine-tune with train --init)");
  flags->evaluation.add_to(*command);
  command->add_option("-o,--output", flags->output, "the pruned checkpoint (.safetensors)");
  command->add_option("--report", flags->report, "write a page that shows what was done");
  flags->prune.add_to(*command);
  flags->absorb.add_to(*command);
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
