// vitrim train: train a model from a ModelSpec or fine-tune a checkpoint.

#include "train_flags.h"
#include "vitrim/core/atomic_file.h"

namespace vitrim::app {

namespace {

struct Flags {
  TrainFlags train;
  std::string spec, init;
  int64_t image_size = 0;
  std::vector<int64_t> num_heads;
  bool new_head = false;
};

// An architecture's name, or a file. A name says nothing about classes: those of the training images are taken.
ModelSpec read_spec(const std::string& source, const model::LoadHints& hints) {
  if (model::is_known_name(source)) return model::load_spec(source, hints);
  ModelSpec spec = model_spec_from_json(read_text_file(source), source);
  if (hints.image_size) throw UsageError("--image-size resizes --init or a known architecture; a ModelSpec file says its size itself");
  return spec;
}

void run(const Flags& flags, const Context& context) {
  if (flags.spec.empty() == flags.init.empty()) throw UsageError("pass either --spec (from scratch) or --init (fine-tune)");
  if (flags.new_head && flags.init.empty()) throw UsageError("--new-head replaces the classifier of --init; a --spec says its classes itself");
  const auto group = flags.train.start();
  model::LoadHints hints;
  if (flags.image_size > 0) hints.image_size = flags.image_size;
  hints.num_heads = flags.num_heads;
  TrainResult result;
  result.task = "train";
  result.init = flags.spec.empty() ? flags.init : flags.spec;
  ModelSpec spec = flags.spec.empty() ? model::load_spec(flags.init, hints) : read_spec(flags.spec, hints);
  const TrainInputs inputs = open_inputs(flags.train, spec, result.init);
  const uint64_t seed = flags.train.common.seed;
  std::unique_ptr<model::Model> model;
  if (!flags.spec.empty()) {
    if (model::is_known_name(flags.spec)) spec.num_classes = inputs.dataset->num_classes();
    model = model::make_random_model(spec, seed);
  } else if (flags.new_head) {
    model = model::load_model_with_new_head(flags.init, inputs.dataset->num_classes(), seed, hints);
  } else {
    model = model::load_model(flags.init, hints);
  }
  if (inputs.recipe.dilution_epochs > 0) throw UsageError("train dilutes nothing; use vitrim dilute, or --dilution-epochs 0");
  check_inputs(flags.train, inputs, model->spec());
  prepare(*model, flags.train, inputs, *group);
  train_and_write(flags.train, context, *model, inputs, group, {}, std::move(result));
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("train", "train a model from a ModelSpec, or fine-tune a checkpoint");
  command->add_option("--spec", flags->spec, "architecture to train from scratch: a name such as deit_tiny_patch16_224, or a ModelSpec file (inspect --write-spec makes one), whose blocks may lack attention from the start");
  command->add_option("--init", flags->init, "checkpoint to start from");
  command->add_flag("--new-head", flags->new_head, "give --init a new classifier, for the classes of the training images");
  command->add_option("--image-size", flags->image_size, "train at another image size; the position embedding of --init is resized")->check(CLI::PositiveNumber);
  command->add_option("--num-heads", flags->num_heads, "attention heads of --init, where its file does not say; of a model with stages one a stage")->delimiter(',')->allow_extra_args(false)->check(CLI::PositiveNumber);
  flags->train.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
