// vitrim train: trains a model from a ModelSpec, or fine-tunes a checkpoint.

#include "train_flags.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/architecture/known.h"
#include "vitrim/architecture/segmentation.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"

namespace vitrim::app {

namespace {

struct TrainCommandFlags {
  TrainFlags train;
  std::string spec, init;
  int64_t image_size = 0;
  UnsaidFlags unsaid;
  std::string weights;  ///< which set of weights in --init
  bool new_head = false;
  std::string task, head;  ///< --head selects a head for segmentation
  int64_t head_width = 512;
};

// The name of an architecture, or a file. A name does not state the classes, so those of the training images
// are used.
ModelSpec read_spec(const std::string& source, const architecture::LoadHints& hints) {
  if (architecture::is_known_name(source)) return model::load_spec(source, hints);
  ModelSpec spec = model_spec_from_json(read_text_file(source), source);
  if (hints.image_size)
    throw UsageError(
        "--image-size resizes --init or a known architecture; a ModelSpec file states its own size");
  return spec;
}

void check_task(const TrainCommandFlags& flags, const ModelSpec& spec) {
  const bool segments = spec.segmentation || !flags.head.empty();
  if (flags.task.empty() || flags.task == task_name(segments ? Task::kSegmentation : Task::kClassification))
    return;
  const std::string& start = flags.spec.empty() ? flags.init : flags.spec;
  if (flags.task == "segmentation")
    throw UsageError("--task segmentation: " + start +
                     " classifies images; pass --head upernet or --head linear to give it a head for pixels");
  throw UsageError("--task classification: " + (flags.head.empty()
                                                    ? start + " is a model for segmentation"
                                                    : "--head " + flags.head + " is a head for pixels"));
}

// The width of the requested head.
int64_t head_channels(const TrainCommandFlags& flags) {
  return flags.head == "upernet" ? flags.head_width : 0;
}

// Defaults that suit the initial model.
std::string usual_recipe(const TrainCommandFlags& flags, const ModelSpec& spec) {
  if (spec.segmentation || !flags.head.empty()) return "ade20k";
  return flags.spec.empty() ? "finetune" : "deit";
}

void run(TrainCommandFlags flags, const Context& context) {
  const auto group = flags.train.start(context);
  architecture::LoadHints hints;
  if (flags.image_size > 0) hints.image_size = flags.image_size;
  flags.unsaid.fill(hints);
  hints.weights = flags.weights;
  TrainResult result;
  result.task = "train";
  result.init = flags.spec.empty() ? flags.init : flags.spec;
  ModelSpec spec = flags.spec.empty() ? model::load_spec(flags.init, hints) : read_spec(flags.spec, hints);
  check_task(flags, spec);
  if (flags.train.settings.recipe.empty()) flags.train.settings.recipe = usual_recipe(flags, spec);
  const bool new_segmentation = !flags.head.empty();
  // The number of classes comes from the data, which is opened with the spec's preprocessing; until then it
  // is 2.
  if (new_segmentation)
    spec = architecture::with_segmentation_head(spec, architecture::parse_segmentation_head(flags.head),
                                                head_channels(flags), 2);
  if (flags.new_head) spec.class_names.clear();  // the new classifier has other classes
  const TrainInputs inputs = open_inputs(flags.train, spec, result.init);
  if (new_segmentation && !inputs.dataset->has_masks()) {
    throw Error(inputs.dataset->description() + " has no masks; --head " + flags.head +
                " needs an ADE20K folder (FOLDER:training) or synthetic-masks:SPLIT");
  }
  const uint64_t seed = flags.train.common.seed;
  std::unique_ptr<model::Model> model;
  if (!flags.spec.empty()) {
    if (new_segmentation || architecture::is_known_name(flags.spec))
      spec.num_classes = inputs.dataset->num_classes();
    model = model::make_random_model(spec, seed);
  } else if (new_segmentation) {
    model = model::load_model_for_segmentation(flags.init, spec.segmentation->kind, head_channels(flags),
                                               inputs.dataset->num_classes(), seed, hints);
  } else if (flags.new_head) {
    model = model::load_model_with_new_head(flags.init, inputs.dataset->num_classes(), seed, hints);
  } else {
    model = model::load_model(flags.init, hints);
  }
  require_float_weights(model->spec(), "training");
  // If the classes are the training folders, the checkpoint gets their names, so that the order of the
  // folders need not be stated again.
  ModelSpec named = model->spec();
  if (flags.new_head || (!flags.spec.empty() && architecture::is_known_name(flags.spec)))
    named.class_names = inputs.dataset->class_names();
  if (static_cast<int64_t>(named.class_names.size()) == named.num_classes && named != model->spec())
    model = model::make_model(named, model->parameters());
  if (inputs.recipe.dilution_epochs > 0)
    throw UsageError("vitrim train does not dilute; use vitrim dilute, or pass --dilution-epochs 0");
  check_inputs(flags.train, inputs, model->spec());
  prepare(*model, flags.train, inputs, *group);
  train_and_write(flags.train, context, *model, inputs, group, {}, std::move(result));
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  auto flags = std::make_shared<TrainCommandFlags>();
  CLI::App* command =
      app.add_subcommand("train", "train a model from a ModelSpec, or fine-tune a checkpoint");
  command->add_option(
      "--spec", flags->spec,
      "architecture to train from scratch: a name such as deit_tiny_patch16_224, or a ModelSpec file "
      "(written by inspect --write-spec), whose blocks may be without attention");
  command->add_option("--init", flags->init, "checkpoint to start from");
  command->add_flag("--new-head", flags->new_head,
                    "replace the classifier of --init by a new one for the classes of the training images");
  command
      ->add_option("--task", flags->task,
                   "task of the model; default: that of --init or --spec, and segmentation with --head")
      ->check(CLI::IsMember({"classification", "segmentation"}));
  command
      ->add_option(
          "--head", flags->head,
          "segmentation: new head of the model for the classes of the training masks: linear or upernet")
      ->check(CLI::IsMember({"linear", "upernet"}));
  command
      ->add_option("--head-width", flags->head_width, "segmentation: width of the UPerNet head in channels")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command
      ->add_option(
          "--image-size", flags->image_size,
          "train the model at this image size in pixels; the position embedding of --init is resized")
      ->check(CLI::PositiveNumber);
  flags->unsaid.add_to(*command);
  add_weights_flag(*command, flags->weights);
  flags->train.add_to(*command);
  command->get_option("--recipe")
      ->description(
          "settings of the training: a TOML file, or deit (default with --spec), finetune (default with "
          "--init), ade20k (default for segmentation), nose_imagenet, apma_imagenet, cifar100 or plain");
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
