// vitrim quantize: a model's linear layers in int8.

#include "vitrim/pipeline/quantize.h"

#include <chrono>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "vitrim/core/error.h"

namespace vitrim::app {

namespace {

struct Flags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  EvaluationFlags evaluation;
  quantize::QuantizeOptions options;
  OutputFlags output;
  std::string calib;
  int64_t images = 200;
};

void run(const Flags& flags, const Context& context) {
  flags.common.apply(flags.output.output);
  flags.output.check(flags.common.json);
  OutputFlags output = flags.output;
  output.weights = flags.model.weights;
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  require_float_weights(model->spec(), "quantising");
  eval::AccuracyOptions accuracy;
  accuracy.batch_size = flags.common.batch_size;
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  std::optional<data::ImageBatch> images;
  if (!flags.calib.empty())
    images = load_unlabelled(flags.calib, flags.images, flags.common, flags.data, model->spec(),
                             flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  try {
    pipeline::QuantizedModel quantized =
        pipeline::quantize(*model, images ? &*images : nullptr, evaluation.get(), accuracy, flags.options);
    CompressResult& result = quantized.result;
    result.seconds.insert(result.seconds.begin(), {"load", loading});
    result.manifest = manifest_of(context, flags.common, images ? images->fingerprint : "");
    result.model = flags.model.model;
    result.output = flags.output.output;
    write_compressed(flags.common, *quantized.model, result, output);
  } catch (const std::invalid_argument& error) {  // of --keep
    throw UsageError(error.what());
  }
}

}  // namespace

void add_quantize(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  flags->common.precision = "f32";
  CLI::App* command = app.add_subcommand(
      "quantize",
      "make a model's linear layers int8: a quarter of the size, and faster on the native engine");
  flags->model.add_to(*command);
  command
      ->add_option("--keep", flags->options.keep,
                   "layers that stay float, such as blocks.11.mlp.fc2, or fc2 for those of all blocks")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option(
      "--calib", flags->calib,
      "images (labels unused) on which the quantised model is held against the model as it was");
  command->add_option("--images", flags->images, "how many images of --calib are used, spread over all")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  flags->evaluation.add_to(*command);
  flags->output.add_to(*command, "the quantised checkpoint");
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
