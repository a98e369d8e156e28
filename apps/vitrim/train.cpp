// vitrim train: train a model from a ModelSpec or fine-tune a checkpoint.

#include <cstdio>

#include "command.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/train/train.h"

namespace vitrim::app {

namespace {

struct Flags {
  CommonFlags common;
  DataFlags data;
  std::string spec, init, source, eval, output, dtype = "f32";
  train::TrainOptions train;
};

std::unique_ptr<model::Model> start(const Flags& flags) {
  if (flags.spec.empty() == flags.init.empty()) throw UsageError("pass either --spec (from scratch) or --init (fine-tune)");
  auto model = flags.spec.empty() ? model::load_model(flags.init)
                                  : model::make_random_model(model_spec_from_json(read_text_file(flags.spec), flags.spec), flags.common.seed);
  model->set_compute_dtype(model::parse_precision(flags.common.precision));
  return model;
}

void run(const Flags& flags, const Context& context) {
  flags.common.apply();
  check_writable(flags.output);
  const auto model = start(flags);
  const PreprocessSpec preprocess = flags.data.preprocess(model->spec(), flags.spec.empty() ? flags.init : flags.spec);
  const auto dataset = data::open_dataset(flags.source, flags.data.dataset());
  std::unique_ptr<data::Dataset> evaluation;
  if (!flags.eval.empty()) evaluation = data::open_dataset(flags.eval, flags.data.dataset());
  data::LoadOptions load;
  load.preprocess = preprocess;
  load.threads = flags.common.threads;
  load.max_corrupt = flags.data.max_corrupt;
  train::TrainOptions options = flags.train;
  options.seed = flags.common.seed;
  options.batch_size = flags.common.batch_size;
  train::train(*model, data::load_images(*dataset, load), options);
  model::save_model(*model, flags.output, flags.dtype == "f16" ? at::kHalf : at::kFloat);
  if (!evaluation) return;
  // What was written is what is evaluated.
  const auto saved = model::load_model(flags.output);
  eval::AccuracyOptions accuracy;
  accuracy.preprocess = preprocess;
  accuracy.threads = flags.common.threads;
  EvalResult result = eval::evaluate(*saved, *evaluation, accuracy);
  result.manifest = manifest_of(context, flags.common, evaluation->fingerprint());
  result.model = flags.output;
  flags.common.write_json(to_json(result));
  if (flags.common.speaks()) {
    std::printf("%s on %s: top-1 %s (95 %% interval %s to %s)\n", flags.output.c_str(), result.data.c_str(), percent(result.top1).c_str(),
                percent(result.top1_ci95.first).c_str(), percent(result.top1_ci95.second).c_str());
  }
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  flags->common.batch_size = 64;
  CLI::App* command = app.add_subcommand("train", "train a model from a ModelSpec, or fine-tune a checkpoint");
  command->add_option("--spec", flags->spec, "ModelSpec (JSON) to train from scratch")->type_name("FILE");
  command->add_option("--init", flags->init, "checkpoint to start from");
  command->add_option("--data", flags->source, "labelled training images: image folder, CIFAR .bin file, or synthetic:train[:COUNT]")->required();
  command->add_option("--eval", flags->eval, "labelled images on which the result is evaluated");
  command->add_option("-o,--output", flags->output, "the trained checkpoint (.safetensors)")->required();
  command->add_option("--epochs", flags->train.epochs, "passes over the training images")->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--learning-rate", flags->train.learning_rate, "peak of the cosine schedule")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--weight-decay", flags->train.adamw.weight_decay, "decoupled weight decay of matrices")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--warm-up-epochs", flags->train.warm_up_epochs, "epochs of linear warm-up")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--label-smoothing", flags->train.label_smoothing, "label smoothing")->check(CLI::Range(0.0, 0.99))->capture_default_str();
  command->add_option("--clip-norm", flags->train.clip_norm, "limit of the gradient's norm; 0: none")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--save-dtype", flags->dtype, "f32 or f16")->check(CLI::IsMember({"f32", "f16"}))->capture_default_str();
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
