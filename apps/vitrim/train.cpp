// vitrim train: train a model from a ModelSpec or fine-tune a checkpoint.

#include "train_flags.h"
#include "vitrim/core/atomic_file.h"

namespace vitrim::app {

namespace {

struct Flags {
  TrainFlags train;
  std::string spec, init;
  int64_t image_size = 0;
  bool new_head = false;
};

void run(const Flags& flags, const Context& context) {
  if (flags.spec.empty() == flags.init.empty()) throw UsageError("pass either --spec (from scratch) or --init (fine-tune)");
  if (flags.new_head && flags.init.empty()) throw UsageError("--new-head replaces the classifier of --init; a --spec says its classes itself");
  const auto group = flags.train.start();
  model::LoadHints hints;
  if (flags.image_size > 0) hints.image_size = flags.image_size;
  TrainResult result;
  result.task = "train";
  result.init = flags.spec.empty() ? flags.init : flags.spec;
  const ModelSpec spec = flags.spec.empty() ? model::load_spec(flags.init, hints) : model_spec_from_json(read_text_file(flags.spec), flags.spec);
  const TrainInputs inputs = open_inputs(flags.train, spec, result.init);
  const uint64_t seed = flags.train.common.seed;
  std::unique_ptr<model::Model> model;
  if (!flags.spec.empty()) {
    model = model::make_random_model(spec, seed);
  } else if (flags.new_head) {
    model = model::load_model_with_new_head(flags.init, inputs.dataset->num_classes(), seed, hints);
  } else {
    model = model::load_model(flags.init, hints);
  }
  prepare(*model, flags.train, inputs, *group);
  train_and_write(flags.train, context, *model, inputs, group, {}, std::move(result));
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("train", "train a model from a ModelSpec, or fine-tune a checkpoint");
  command->add_option("--spec", flags->spec, "ModelSpec (JSON) to train from scratch; its blocks may lack attention from the start")->type_name("FILE");
  command->add_option("--init", flags->init, "checkpoint to start from");
  command->add_flag("--new-head", flags->new_head, "give --init a new classifier, for the classes of the training images");
  command->add_option("--image-size", flags->image_size, "train --init at another image size; position embeddings are resized")->check(CLI::PositiveNumber);
  flags->train.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
