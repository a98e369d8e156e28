// vitrim prune: chooses channels, cuts them, and refits the layers that read them; then fine-tunes, unless
// --few-shot is passed.

#include <chrono>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "ranks.h"
#include "train_flags.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::app {

namespace {

struct PruneCommandFlags {
  TrainFlags train;
  ModelFlags model;
  AbsorbFlags absorb;
  PruneFlags prune;
  std::string eval_resize;
  FeatureFlags features;
  int64_t images = 1000;
  bool few_shot = false;
  QuantizeFlag quantize;
};

pipeline::CompressOptions options_of(const PruneCommandFlags& flags) {
  pipeline::CompressOptions options;
  options.remove_layers = false;
  options.prune = flags.prune.options(flags.train.common);
  options.absorb_layers = !flags.absorb.none;
  return options;
}

void refuse_impossible(const ModelSpec& spec, const pipeline::PruneOptions& options) {
  try {
    pipeline::check_prune(spec, options);
  } catch (const std::invalid_argument& error) {
    throw Error(error.what());
  }
}

// Some of the images, without their labels.
data::ImageBatch load_some(const PruneCommandFlags& flags, const model::Model& model,
                           const CommonFlags& common) {
  return load_unlabelled(flags.train.source, flags.images, common, flags.train.data, model.spec(),
                         flags.model.model);
}

void few_shot(const PruneCommandFlags& flags, const Context& context, const std::string& dtype,
              pipeline::CompressOptions options) {
  const CommonFlags& common = flags.train.common;
  const OutputFlags output{flags.train.output, flags.train.report, dtype, flags.model.weights};
  output.check(common.json);
  const auto group = flags.train.start(context);
  if (group->size() > 1) throw Error("prune --few-shot runs in one process; start it without torchrun");
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(common.precision);
  require_float_weights(model->spec(), "pruning");
  refuse_impossible(model->spec(), options.prune);
  options.absorb = flags.absorb.options(common);
  EvaluationFlags evaluated;
  evaluated.features = flags.features;
  evaluated.eval = flags.train.eval;
  evaluated.resize = flags.eval_resize;
  evaluated.segmentation = flags.train.segmentation;
  eval::AccuracyOptions accuracy;
  const auto evaluation = evaluated.open(common, flags.train.data, *model, flags.model.model, accuracy);
  const data::ImageBatch images = load_some(flags, *model, common);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Compressed pruned = pipeline::compress(
      *model, images, flags.quantize.wanted ? nullptr : evaluation.get(), accuracy, options);
  CompressResult& result = pruned.result;
  flags.quantize.apply(common, *model, pruned, images, options.absorb, evaluation.get(), accuracy);
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, common, images.fingerprint);
  result.manifest.settings = flags.train.settings.changed();
  result.model = flags.model.model;
  result.output = flags.train.output;
  write_compressed(common, *pruned.model, result, output);
}

void prune_and_train(const PruneCommandFlags& flags, const Context& context,
                     pipeline::CompressOptions options) {
  const auto group = flags.train.start(context);
  const auto dense = flags.model.load(flags.train.common.precision);
  require_float_weights(dense->spec(), "pruning");
  refuse_impossible(dense->spec(), options.prune);
  const TrainInputs inputs = open_inputs(flags.train, dense->spec(), flags.model.model);
  check_inputs(flags.train, inputs, dense->spec());
  if (inputs.recipe.dilution_epochs > 0)
    throw UsageError(
        "vitrim prune does not dilute; run vitrim dilute on its output, or pass --dilution-epochs 0");
  if (group->is_main() && !flags.train.resume) train::refuse_to_overwrite(flags.train.state_path());
  CommonFlags common = flags.train.common;
  common.batch_size = 50;
  options.absorb = flags.absorb.options(common);
  options.absorb.epochs = 0;  // training follows, so the fit needs no epochs
  options.absorb.group = options.prune.group = group.get();
  TrainResult result;
  // The choice is made once: an unfinished run has its pruned model in its state.
  std::unique_ptr<model::Model> model =
      flags.train.resume ? train::stored_model(flags.train.state_path()) : nullptr;
  if (model) {
    model->set_compute_dtype(dense->compute_dtype());
    result.reason = pipeline::describe(options.prune);
  } else {
    pipeline::Compressed pruned =
        pipeline::compress(*dense, load_some(flags, *dense, common), nullptr, {}, options);
    model = std::move(pruned.model);
    result.reason = pruned.result.reason;
  }
  result.task = "prune";
  result.init =
      flags.model.model + " pruned to " + pipeline::describe(options.prune) +
      (flags.images == PruneCommandFlags().images ? "" : ", " + std::to_string(flags.images) + " images") +
      (flags.absorb.none ? ", not refitted" : "");
  prepare(*model, flags.train, inputs, *group);
  if (inputs.evaluation) {
    dense->set_device(model->device());
    eval::AccuracyOptions accuracy;
    accuracy.preprocess = inputs.preprocess;
    accuracy.threads = common.threads;
    accuracy.max_corrupt = flags.train.data.max_corrupt;
    accuracy.group = group.get();
    flags.train.segmentation.apply(dense->spec(), accuracy);
    result.dense = eval::evaluate(*dense, *inputs.evaluation, accuracy);
  }
  train_and_write(flags.train, context, *model, inputs, group, {}, std::move(result));
}

void run(const PruneCommandFlags& flags, const Context& context, const CLI::App& command) {
  flags.train.resolve();  // sets the options without a flag
  pipeline::CompressOptions options = options_of(flags);
  if (flags.few_shot) {
    few_shot(flags, context, command.count("--save-dtype") > 0 ? flags.train.dtype : OutputFlags().dtype,
             std::move(options));
  } else {
    prune_and_train(flags, context, std::move(options));
  }
}

}  // namespace

void add_prune(CLI::App& app, Context& context) {
  auto flags = std::make_shared<PruneCommandFlags>();
  CLI::App* command =
      app.add_subcommand("prune", "prune channels of attention (and MLPs), then refit and fine-tune");
  flags->model.add_to(*command);
  flags->prune.add_to(*command);
  command->add_flag("--few-shot", flags->few_shot,
                    "refit the pruned model on about 1000 images without labels instead of training it");
  command
      ->add_option("--images", flags->images,
                   "number of images of --data for the indicators and the refit, spread over the whole set")
      ->check(CLI::Range(8, 10000000))
      ->capture_default_str();
  command->add_option("--eval-resize", flags->eval_resize,
                      "short side of the evaluation images of --few-shot before the crop in pixels, or none; "
                      "default: as for --data");
  flags->features.add_to(*command);
  flags->quantize.add_to(*command);
  flags->absorb.add_to(*command, /*beside_training=*/true);
  flags->train.settings.recipe = "apma_imagenet";
  flags->train.add_to(*command, {fit_keys(flags->absorb.values), channel_keys(flags->prune.values)});
  flags->train.common.batch_size = 50;  // for --few-shot; training uses the recipe's
  command->get_option("--output")
      ->required(false)
      ->description("the pruned checkpoint: a .safetensors file, or FOLDER/ for a folder as on model hubs");
  command->get_option("--data")->description(
      "labelled training images, or with --few-shot about 1000 images, labels unused: image folder, tar "
      "shards (train-{0000..0099}.tar), CIFAR .bin file, or synthetic:train[:COUNT]; images with masks: "
      "ADE20K folder (FOLDER:training) or synthetic-masks:train[:COUNT]");
  command->get_option("--save-dtype")
      ->description(
          "data type of the written weights: f32 or f16; with --few-shot, that of the model that was read "
          "unless this is passed");
  command->callback([flags, &context, command] {
    context.run = [flags, &context, command] { run(*flags, context, *command); };
  });
}

}  // namespace vitrim::app
