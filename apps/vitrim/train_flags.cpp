#include "train_flags.h"

#include <ATen/Context.h>

#include <cstdio>
#include <filesystem>

#include "ranks.h"
#include "vitrim/architecture/infer.h"
#include "vitrim/architecture/known.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"
#include "vitrim/data/class_list.h"
#include "vitrim/eval/statistics.h"

namespace vitrim::app {

namespace {

// Flags that stand for one key of the recipe.
struct KeyFlag {
  const char* flag;
  const char* key;
  const char* help;
};
constexpr KeyFlag kKeyFlags[] = {
    {"--epochs", "schedule.epochs", "number of passes over the training images"},
    {"--batch-size", "schedule.batch_size", "number of images per optimiser step, over all ranks"},
    {"--learning-rate", "schedule.learning_rate", "learning rate at the peak of the cosine schedule"},
    {"--warm-up-epochs", "schedule.warm_up_epochs", "number of epochs of linear warm-up"},
    {"--label-smoothing", "regularization.label_smoothing", "amount of label smoothing, from 0 to below 1"},
    {"--teacher", "distillation.teacher", "checkpoint of a teacher to distil from"},
    {"--dilution-epochs", "dilution.epochs", "number of epochs in which lambda falls from 1 to 0"},
    {"--schedule", "dilution.schedule",
     "rule by which lambda falls: linear, cosine, or held_out (by the loss on --validate)"},
};

}  // namespace

void TrainFlags::add_to(CLI::App& command, const std::vector<train::Keys>& keys) {
  command
      .add_option("--data", source,
                  "labelled training images: image folder, tar shards (train-{0000..0099}.tar), CIFAR .bin "
                  "file, or synthetic:train[:COUNT]; images with masks: ADE20K folder (FOLDER:training) or "
                  "synthetic-masks:train[:COUNT]")
      ->required();
  command.add_option("--eval", eval,
                     "labelled images on which the result is evaluated; no choice depends on them");
  command.add_option(
      "--validate", validate,
      "labelled images by which --keep-best chooses the epoch and --schedule held_out lowers lambda");
  command
      .add_option("-o,--output", output,
                  "the trained checkpoint: a .safetensors file, or FOLDER/ for a folder as on model hubs")
      ->required();
  command.add_option("--report", report, "write an HTML page about the run");
  settings.add_to(command, keys);
  command.get_option("--recipe")
      ->description(
          "settings of the training: a TOML file, or deit, finetune, nose_imagenet, apma_imagenet, ade20k, "
          "cifar100 or plain")
      ->capture_default_str();
  for (const KeyFlag& flag : kKeyFlags) {
    const std::string key = flag.key;
    command
        .add_option_function<std::string>(
            flag.flag, [this, key](const std::string& value) { overrides.emplace_back(key, value); },
            std::string(flag.help) + " (" + key + ")")
        ->take_last();
  }
  command.add_flag("--resume", resume,
                   "continue the interrupted run whose training state is in --state, if there is one");
  command.add_option("--state", state, "file of the training state; default: OUTPUT.state");
  command
      .add_option("--state-minutes", state_minutes,
                  "number of minutes after which the training state is saved within an epoch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--log", log,
                     "file of the log, which has one JSON object per line; default: OUTPUT.jsonl");
  command.add_option("--log-every", log_every, "number of steps between lines of the log")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command
      .add_option("--eval-every", eval_every,
                  "number of epochs between evaluations; 0: evaluate only the result")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command.add_flag("--keep-best", keep_best,
                   "write the model of the epoch that is best on --validate, not that of the last one");
  command
      .add_option("--track-entropy", track,
                  "number of images on which the entropies of all layers (and the transfer entropy of the "
                  "diluted set) are measured after every epoch")
      ->check(CLI::Range(8, 100000));
  command.add_option("--device", device, "device to run on: cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command.add_option("--save-dtype", dtype, "data type of the written weights: f32 or f16")
      ->check(CLI::IsMember({"f32", "f16"}))
      ->capture_default_str();
  segmentation.add_to(command);
  data.add_to(command);
  common.batch_size = 0;  // here the flag sets the recipe's key
  common.add_to(command);
}

std::shared_ptr<distributed::Group> TrainFlags::start(const Context& context) const {
  common.apply(output);
  if (device == "cuda" && !at::hasCUDA())
    throw Error("--device cuda: this LibTorch finds no CUDA device; use --device cpu");
  distributed::Options options;
  options.cuda = device == "cuda";
  return join_ranks(context, options);
}

train::Recipe TrainFlags::resolve() const {
  train::Recipe out;
  settings.apply(train::keys_of(out), overrides);
  try {
    train::validate(out);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
  return out;
}

TrainInputs open_inputs(const TrainFlags& flags, const ModelSpec& spec, const std::string& model_source) {
  for (const std::string& path : hub::files_of(flags.output)) hub::check_writable(path, flags.output);
  for (const std::string& path : {flags.state_path(), flags.log_path()}) check_writable(path);
  if (!flags.report.empty()) hub::check_writable(flags.report, flags.output);
  TrainInputs out;
  out.recipe = flags.resolve();
  out.preprocess = flags.data.preprocess(spec, model_source);
  // A class list applies to folders; tar shards contain their class indices.
  bool folders = false;
  for (const std::string& source : {flags.source, flags.eval, flags.validate})
    folders = folders || (!source.empty() && !data::is_tar_name(source));
  const data::DatasetOptions with_list = flags.data.dataset(spec);
  data::DatasetOptions without_list = with_list;
  without_list.classes_file.clear();
  auto open = [&](const std::string& source) -> std::unique_ptr<data::Dataset> {
    if (source.empty()) return nullptr;
    return data::open_dataset(source, folders && data::is_tar_name(source) ? without_list : with_list);
  };
  out.dataset = open(flags.source);
  out.evaluation = open(flags.eval);
  out.validation = open(flags.validate);
  return out;
}

namespace {

void check_classes(const data::Dataset& dataset, const ModelSpec& spec) {
  const int64_t classes = spec.num_classes;
  if (spec.segmentation) {
    if (!dataset.has_masks())
      throw Error(dataset.description() +
                  " has no masks; a model for segmentation needs an ADE20K folder (FOLDER:training) or "
                  "synthetic-masks:SPLIT");
    if (dataset.num_classes() == classes) return;
    throw Error("the model has " + std::to_string(classes) + " classes but " + dataset.description() +
                " has " + std::to_string(dataset.num_classes()) +
                "; pass --classes FILE with the model's classes, or train with a new --head");
  }
  if (dataset.has_masks())
    throw Error(dataset.description() +
                " has masks instead of labels; pass --head upernet or --head linear to vitrim train to give "
                "the model a head for pixels");
  if (dataset.num_classes() == 0 || dataset.label(0) < 0)
    throw Error(dataset.description() + " has no labels; put the images into one folder per class");
  if (dataset.fits_classes(classes)) return;
  throw Error("the model has " + std::to_string(classes) + " classes but " + dataset.description() + " has " +
              std::to_string(dataset.num_classes()) +
              (dataset.declares_classes() ? "; " + data::classes_remedy(classes) + ", or"
                                          : std::string("; correct its .cls members, or")) +
              " train with --new-head");
}

architecture::LoadHints teacher_hints(const ModelSpec& spec) {
  architecture::LoadHints hints;
  hints.image_size = spec.image_size[0];
  hints.stated = {"--resize", "--interpolation"};  // it sees the images of the model, only normalised anew
  return hints;
}

}  // namespace

void check_inputs(const TrainFlags& flags, const TrainInputs& inputs, const ModelSpec& spec) {
  for (const data::Dataset* set : {inputs.dataset.get(), inputs.evaluation.get(), inputs.validation.get()}) {
    if (set) check_classes(*set, spec);
  }
  if (inputs.evaluation && inputs.validation &&
      inputs.evaluation->fingerprint() == inputs.validation->fingerprint()) {
    throw UsageError(
        "--validate and --eval are the same images: a model cannot be evaluated on the images on which its "
        "epoch was chosen");
  }
  if (inputs.recipe.dilution_epochs > 0 && inputs.recipe.dilution_schedule == "held_out" &&
      !inputs.validation) {
    throw UsageError(
        "--schedule held_out lowers lambda by the loss on held-out images; pass them with --validate");
  }
  const std::string& teacher = inputs.recipe.teacher;
  if (teacher.empty()) return;
  if (architecture::is_known_name(teacher))
    throw Error("the teacher '" + teacher + "' is an architecture without weights; name its checkpoint");
  const ModelSpec taught = model::load_spec(teacher, teacher_hints(spec));
  if (taught.task() != spec.task())
    throw Error(teacher + ": the teacher is a model for " + task_name(taught.task()) +
                ", the model one for " + task_name(spec.task()));
  if (taught.num_classes != spec.num_classes) {
    throw Error(teacher + ": the teacher has " + std::to_string(taught.num_classes) +
                " classes, but the model has " + std::to_string(spec.num_classes) +
                "; a teacher must have been trained on the same classes");
  }
  if (inputs.recipe.block_weight > 0) train::check_streams(spec, taught);
  flags.data.preprocess(taught, teacher);  // throws if neither states mean and std
}

void prepare(model::Model& model, const TrainFlags& flags, const TrainInputs& inputs,
             const distributed::Group& group) {
  model.set_compute_dtype(model::parse_compute_dtype(flags.common.precision));
  if (flags.device == "cuda")
    model.set_device(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(group.local_rank())));
  // The teacher gets images normalised as in its own training.
  model.set_preprocess(inputs.preprocess);
}

namespace {

void print_result(const TrainResult& r) {
  if (r.evaluation) {
    const auto [low, high] = r.evaluation->headline_ci95();
    tell("%s %s on %lld images (95 %% interval %s to %s)", r.evaluation->headline_name(),
         percent(r.evaluation->headline()).c_str(), static_cast<long long>(r.evaluation->images),
         percent(low).c_str(), percent(high).c_str());
    if (r.dense && r.paired) {
      tell("; before %s, %s", percent(r.dense->headline()).c_str(), difference_text(*r.paired).c_str());
    }
    tell("\n");
  }
  if (!r.removed.empty())
    tell("removed the attention of %s (%s)\n", format_layer_list(r.removed).c_str(), r.reason.c_str());
  tell("wrote %s\n", r.output.c_str());
}

std::string describe(const PreprocessSpec& p) {
  std::string text = (p.resize ? "resized to " + std::to_string(*p.resize) + ", " : std::string()) +
                     "cropped to " + std::to_string(p.crop);
  for (size_t c = 0; c < 3; ++c) text += ", " + std::to_string(p.mean[c]) + "/" + std::to_string(p.std[c]);
  return text + (p.interpolation == Interpolation::kBicubic ? ", bicubic" : ", bilinear");
}

void write_result(const TrainFlags& flags, const model::Model& model, const TrainResult& result) {
  hub::NewFolder folder(flags.output);
  OutputSet files;
  model::save_model(model, hub::weights_path(flags.output), flags.dtype == "f16" ? at::kHalf : at::kFloat);
  hub::describe(result, model.spec());
  const std::string json = to_json(result);
  flags.common.write_json(json);
  write_report(flags.report, flags.output, json, flags.output);
  files.commit();
  folder.keep();
  if (flags.common.speaks()) print_result(result);
}

}  // namespace

void train_and_write(const TrainFlags& flags, const Context& context, model::Model& model,
                     const TrainInputs& inputs, const std::shared_ptr<distributed::Group>& group,
                     const std::vector<int>& layers, TrainResult result,
                     const std::optional<model::StateDict>& absorbed) {
  pipeline::TrainRunOptions options;
  options.train.recipe = inputs.recipe;
  options.train.preprocess = inputs.preprocess;
  options.train.dilute = layers;
  options.train.absorb_first = absorbed.has_value();
  if (absorbed) options.train.absorbed = *absorbed;
  options.train.seed = flags.common.seed;
  options.train.max_corrupt = flags.data.max_corrupt;
  options.train.group = group;
  options.accuracy.group = group.get();
  options.train.resume = flags.resume;
  options.train.state_path = flags.state_path();
  options.train.state_minutes = flags.state_minutes;
  options.train.log_path = flags.log_path();
  options.train.log_every = flags.log_every;
  options.train.keep_best = flags.keep_best;
  options.train.identity =
      result.init + ", " + inputs.dataset->fingerprint() + ", seed " + std::to_string(flags.common.seed) +
      (layers.empty() ? "" : ", layers " + format_layer_list(layers)) + (absorbed ? ", absorbed first" : "") +
      ", " + at::toString(model.compute_dtype()) + ", inputs " + describe(inputs.preprocess) +
      // The shards that a rank reads depend on the number of ranks.
      (inputs.dataset->shard_ends().empty() || group->size() == 1
           ? ""
           : ", " + std::to_string(group->size()) + " ranks") +
      // The fingerprint does not include the class indices of folders.
      (flags.data.class_order.empty() ? "" : ", class order " + flags.data.class_order) +
      (flags.keep_best ? ", best of " + inputs.validation->fingerprint() : "") +
      (inputs.recipe.dilution_schedule == "held_out" && inputs.validation
           ? ", lambda by " + inputs.validation->fingerprint()
           : "");
  const auto images_of = [](const data::Dataset* set) { return set ? set->fingerprint() : "none"; };
  options.train.shared = "evaluation images = " + images_of(inputs.evaluation.get()) +
                         "\nvalidation images = " + images_of(inputs.validation.get()) +
                         "\neval-every = " + std::to_string(flags.eval_every) +
                         "\ntrack-entropy = " + std::to_string(flags.track) + "\n";
  options.evaluation = inputs.evaluation.get();
  options.validation = inputs.validation.get();
  options.eval_every = flags.eval_every;
  options.accuracy.preprocess = inputs.preprocess;
  options.accuracy.threads = flags.common.threads;
  options.accuracy.max_corrupt = flags.data.max_corrupt;
  flags.segmentation.apply(model.spec(), options.accuracy);
  std::unique_ptr<model::Model> teacher;
  if (!inputs.recipe.teacher.empty()) {
    teacher = model::load_model(inputs.recipe.teacher, teacher_hints(model.spec()));
    teacher->set_compute_dtype(model.compute_dtype());
    teacher->set_device(model.device());
    options.train.teacher = teacher.get();
    // The flags describe the student; for the teacher, its own file takes precedence.
    options.train.teacher_preprocess = teacher->spec().preprocess
                                           ? *teacher->spec().preprocess
                                           : flags.data.preprocess(teacher->spec(), inputs.recipe.teacher);
  }
  data::ImageBatch track;
  if (flags.track > 0) {
    data::LoadOptions load;
    load.preprocess = inputs.preprocess;
    load.threads = flags.common.threads;
    load.channels = data::image_channels(model.spec(), result.init);
    load.indices = data::spread_indices(inputs.dataset->size(), flags.track);
    track = data::load_images(*inputs.dataset, load);
    options.track = &track;
  }
  result.manifest = manifest_of(context, flags.common, inputs.dataset->fingerprint());
  result.manifest.settings = flags.settings.changed();
  result.output = flags.output;
  result.removed = layers;
  result.recipe = train::to_json(inputs.recipe);
  options.train.log_header = log_header(result);

  pipeline::TrainRun run = [&] {
    try {
      return pipeline::train_run(model, *inputs.dataset, options);
    } catch (const Interrupted&) {
      if (std::filesystem::exists(options.train.state_path))
        log_info("the run's state is in " + options.train.state_path +
                 "; repeat the command with --resume to continue");
      throw;
    }
  }();
  run.result.manifest = result.manifest;
  run.result.task = result.task;
  run.result.init = result.init;
  run.result.output = result.output;
  run.result.reason = result.reason;
  if (result.dense && run.result.evaluation) {
    run.result.dense = result.dense;
    run.result.paired = eval::compare_paired(*result.dense, *run.result.evaluation);
  }
  on_main_rank(*group, [&] { write_result(flags, *run.model, run.result); });
}

}  // namespace vitrim::app
