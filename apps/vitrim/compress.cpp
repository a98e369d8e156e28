// vitrim compress: analyze, select, absorb, cut, fold, evaluate.

#include "vitrim/pipeline/compress.h"

#include <chrono>

#include "compress_flags.h"
#include "ranks.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"

namespace vitrim::app {

namespace {

struct Flags : CompressionFlags {
  OutputFlags output;
  bool controls = false;
  int random_controls = 5;
};

void run(const Flags& flags, const Context& context, const CLI::App& command) {
  flags.common.apply();
  flags.analyze.check_choice();
  flags.absorb.refuse_idle(command);
  flags.prune.refuse_idle(command);
  const auto group = join_ranks();
  flags.output.check(flags.common.json);
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  pipeline::CompressOptions options = flags.options(model->num_blocks(), *group);
  options.layers = flags.analyze.named_layers(model->num_blocks()).value_or(std::vector<int>());
  if (options.layers.empty() && options.analyze.count == 0 && flags.prune.target_macs.empty() &&
      flags.prune.attention_macs.empty()) {
    throw Error("--remove " + flags.analyze.remove + " is no layer of " +
                std::to_string(model->num_blocks()) + "; nothing would be removed");
  }
  if (options.prune.masked())
    throw UsageError(
        "compress writes a model that was cut; heads of unequal widths can only be compared, by prune "
        "--few-shot");
  pipeline::check_compress(model->spec(), options);
  options.controls = flags.controls;
  options.analyze.both_criteria = options.analyze.both_criteria || flags.controls;
  options.random_controls = flags.random_controls;

  eval::AccuracyOptions accuracy;
  accuracy.group = group.get();
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  const data::ImageBatch images = load_unlabelled(flags.analyze.calib, flags.analyze.images, flags.common,
                                                  flags.data, model->spec(), flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Compressed compressed = pipeline::compress(*model, images, evaluation.get(), accuracy, options);
  CompressResult& result = compressed.result;
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, flags.common, images.fingerprint);
  result.model = flags.model.model;
  result.output = flags.output.output;
  on_main_rank(*group, [&] { write_compressed(flags.common, *compressed.model, result, flags.output); });
}

}  // namespace

void add_compress(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "compress", "remove attention layers, let the MLPs take their work over, write a smaller checkpoint");
  flags->model.add_to(*command);
  flags->analyze.add_to(*command);
  flags->analyze.add_choice_to(*command);
  flags->evaluation.add_to(*command);
  flags->evaluation.segmentation.add_to(*command);
  flags->output.add_to(*command, "the compressed checkpoint");
  command->add_flag("--controls", flags->controls,
                    "treat random, first, last and least-norm sets alike and evaluate them too");
  command->add_option("--random-controls", flags->random_controls, "random sets among the controls")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  flags->absorb.add_to(*command);
  flags->prune.add_to(*command);
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context, command] {
    context.run = [flags, &context, command] { run(*flags, context, *command); };
  });
}

}  // namespace vitrim::app
