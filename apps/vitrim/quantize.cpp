// vitrim quantize: converts a model's linear layers to int8.

#include "vitrim/pipeline/quantize.h"

#include <chrono>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "vitrim/core/error.h"

namespace vitrim::app {

namespace {

struct QuantizeFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  EvaluationFlags evaluation;
  quantize::QuantizeOptions options;
  quantize::CalibrateOptions calibrate;
  OutputFlags output;
  std::string calib;
  int64_t images = pipeline::kQuantizingImages;
};

void run(const QuantizeFlags& flags, const Context& context) {
  flags.common.apply(flags.output.output);
  flags.output.check(flags.common.json);
  OutputFlags output = flags.output;
  output.weights = flags.model.weights;
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load("f32");
  require_float_weights(model->spec(), "quantising");
  eval::AccuracyOptions accuracy;
  accuracy.batch_size = flags.common.batch_size;
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  quantize::CalibrateOptions calibrate = flags.calibrate;
  calibrate.fit_dtype = model::parse_compute_dtype(flags.common.precision);
  calibrate.batch_size = flags.common.batch_size;
  calibrate.seed = flags.common.seed;
  std::optional<data::ImageBatch> images;
  if (!flags.calib.empty())
    images = load_unlabelled(flags.calib, flags.images, flags.common, flags.data, model->spec(),
                             flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  try {
    pipeline::QuantizedModel quantized = pipeline::quantize(
        *model, images ? &*images : nullptr, evaluation.get(), accuracy, flags.options, calibrate);
    CompressResult& result = quantized.result;
    result.seconds.insert(result.seconds.begin(), {"load", loading});
    result.manifest = manifest_of(context, flags.common, images ? images->fingerprint : "");
    result.model = flags.model.model;
    result.output = flags.output.output;
    write_compressed(flags.common, *quantized.model, result, output);
  } catch (const std::invalid_argument& error) {  // caused by --keep, --budget-kl or too few images
    throw UsageError(error.what());
  }
}

}  // namespace

void add_quantize(CLI::App& app, Context& context) {
  auto flags = std::make_shared<QuantizeFlags>();
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
  command
      ->add_option("--weight-bits", flags->options.weight_bits,
                   "number of bits of a weight: 8, or 4 in groups of 32, which gives a smaller file and is "
                   "computed as int8")
      ->check(CLI::IsMember({4, 8}))
      ->capture_default_str();
  command->add_option(
      "--calib", flags->calib,
      "images (labels unused) to equalise channels, correct biases and refit layers on; 100 to 300 suffice");
  command
      ->add_option("--images", flags->images,
                   "number of images of --calib to use, spread over the whole set; needs --calib")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option(
          "--held-out", flags->calibrate.held_out,
          "share of the calibration images that are kept out of the fit, for choices and measurements; needs "
          "--calib")
      ->check(CLI::Range(0.01, 0.5))
      ->capture_default_str();
  command
      ->add_option("--budget-kl", flags->calibrate.budget_kl,
                   "largest mean KL divergence from the float model on the held-out images, in nats; layers "
                   "that add most to it return to float until it is met; needs --calib")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--ridge", flags->calibrate.ridge,
                   "strength of the refits' pull towards the old weights; needs --calib")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  flags->evaluation.add_to(*command);
  flags->output.add_to(*command, "the quantised checkpoint");
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->get_option("--precision")
      ->description(
          "data type of matrix products while --calib fits layers: f32, bf16, or auto, which is bf16 where "
          "the processor supports it; measurements are in f32");
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
