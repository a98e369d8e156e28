#include "input_flags.h"

#include <cstdio>
#include <stdexcept>

#include "program.h"
#include "streams.h"
#include "vitrim/architecture/hints.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/log.h"
#include "vitrim/core/normalization.h"
#include "vitrim/data/pixels.h"

namespace vitrim::app {

void ProgramFlags::add_output(CLI::App& command) {
  command.add_option("--json", json, "write the result as JSON to FILE; - is standard output")
      ->type_name("FILE");
  command.add_flag("--quiet", quiet, "print neither progress nor a summary");
}

void ProgramFlags::add_threads(CLI::App& command) {
  command.add_option("--threads", threads, "number of processor threads; default: all cores")
      ->check(CLI::Range(1, 1024));
}

void ProgramFlags::add_numbers(CLI::App& command) {
  command
      .add_option(
          "--precision", precision,
          "data type of matrix products: f32, bf16, or auto, which is bf16 where the processor supports it")
      ->check(CLI::IsMember({"f32", "bf16", "auto"}))
      ->capture_default_str();
  if (batch_size > 0)
    command.add_option("--batch-size", batch_size, "number of images in a batch")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
}

void ProgramFlags::write_json(const std::string& text) const {
  if (json.empty()) return;
  const std::string lines = text.ends_with('\n') ? text : text + "\n";
  if (json == "-") {
    write_standard_output(lines);
  } else {
    write_text_file(json, lines);
  }
}

void UnsaidFlags::add_to(CLI::App& command) {
  owner = &command;
  command
      .add_option("--num-heads", num_heads,
                  "number of attention heads; needed where the checkpoint does not state it; one number per "
                  "stage for a model with stages: 1,2,5,8")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  command
      .add_option("--stream-gain", stream_gain,
                  "factor on the stream in blocks without attention; needed where the checkpoint does not "
                  "state it: 1, or 2 for models of NOSE's authors")
      ->check(CLI::IsMember({1.0, 2.0}));
  command
      .add_option("--activation", activation,
                  "activation of the MLPs; needed where the checkpoint does not state it")
      ->check(CLI::IsMember(architecture::activation_names()));
  command
      .add_option("--norm-eps", norm_eps,
                  "epsilon of the norms; needed where the checkpoint does not state it")
      ->check(CLI::PositiveNumber);
  command
      .add_option(
          "--pooling", pooling,
          "input of the classifier: the class token (token) or the average of the patch tokens (average)")
      ->check(CLI::IsMember({"token", "average"}));
}

void UnsaidFlags::fill(architecture::LoadHints& hints) const {
  hints.num_heads = num_heads;
  if (stream_gain > 0) hints.stream_gain = stream_gain;
  if (!activation.empty()) hints.activation = architecture::parse_activation(activation);
  if (norm_eps > 0) hints.norm_eps = norm_eps;
  if (!pooling.empty()) hints.pooling = architecture::parse_pooling(pooling);
  hints.stated = stated();
}

std::vector<std::string> UnsaidFlags::stated() const {
  std::vector<std::string> out;
  for (const char* flag : {"--resize", "--interpolation"}) {
    const CLI::Option* option = owner ? owner->get_option_no_throw(flag) : nullptr;
    if (option == nullptr || option->count() > 0) out.emplace_back(flag);
  }
  return out;
}

void ModelInput::add_to(CLI::App& command) {
  command
      .add_option(
          "MODEL", model,
          "checkpoint (.safetensors, .pth, an index of several files, or a folder with one), id of a model "
          "in the local Hugging Face cache, or name of a known architecture")
      ->required();
  add_hints(command);
}

void ModelInput::add_hints(CLI::App& command) {
  unsaid.add_to(command);
  command
      .add_option("--image-size", image_size,
                  "run the model at this image size in pixels; position embeddings are resized")
      ->check(CLI::PositiveNumber);
  command.add_option("--num-classes", num_classes, "number of classes that the classifier must have")
      ->check(CLI::PositiveNumber);
  command.add_option("--task", task, "task that the model must have; default: any")
      ->check(CLI::IsMember({"classification", "segmentation"}));
  add_weights_flag(command, weights);
}

void add_weights_flag(CLI::App& command, std::string& weights) {
  command
      .add_option("--weights", weights,
                  "name of the set of weights to read from a file that holds several, such as state_dict or "
                  "teacher; default: the set that the file's writer uses for inference")
      ->type_name("NAME");
}

void ModelInput::check_task(const ModelSpec& spec) const {
  if (task.empty() || task == task_name(spec.task())) return;
  throw UsageError(model + " is a model for " + task_name(spec.task()) + ", not for " + task +
                   (spec.segmentation
                        ? ""
                        : "; vitrim train --init " + model + " --head upernet gives it a head for pixels"));
}

architecture::LoadHints ModelInput::hints() const {
  architecture::LoadHints hints;
  unsaid.fill(hints);
  hints.weights = weights;
  if (image_size > 0) hints.image_size = image_size;
  if (num_classes > 0) hints.num_classes = num_classes;
  return hints;
}

void DataFlags::add_preprocessing(CLI::App& command) {
  command.add_option("--mean", mean, "mean of the image normalisation, one number or three")
      ->delimiter(',')
      ->expected(1, 3);
  command.add_option("--std", std, "standard deviation of the image normalisation, one number or three")
      ->delimiter(',')
      ->expected(1, 3);
  command.add_option("--resize", resize,
                     "short side of an image before the crop in pixels, or none to keep its size");
  command.add_option("--crop", crop, "side of the centre crop in pixels")->check(CLI::PositiveNumber);
  command
      .add_option("--interpolation", interpolation,
                  "interpolation when images are resized: bicubic or bilinear")
      ->check(CLI::IsMember({"bicubic", "bilinear"}));
}

void DataFlags::add_limits(CLI::App& command) {
  command.add_option("--max-corrupt", max_corrupt, "number of corrupt images to skip before the run fails")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option(
          "--max-pixels", max_pixels,
          "largest number of pixels of an image, decoded or resized; a larger image counts as corrupt")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
}

void DataFlags::add_to(CLI::App& command) {
  add_preprocessing(command);
  command
      .add_option(
          "--classes", classes,
          "file with the names of the class folders (for masks: of the classes), one per line, in the "
          "order of the class indices, or imagenet-1k, the built-in list of ILSVRC2012's ids")
      ->type_name("FILE");
  command
      .add_option("--class-order", class_order,
                  "order of class folders whose names can be sorted in two ways: lexicographic (1, 10, 2, as "
                  "torchvision sorts) or natural (1, 2, 10, as timm sorts)")
      ->check(CLI::IsMember({"lexicographic", "natural"}));
  add_limits(command);
}

std::optional<int64_t> parse_resize(const std::string& text) {
  if (text == "none") return std::nullopt;
  try {
    size_t used = 0;
    const int64_t value = std::stoll(text, &used);
    if (used == text.size() && value > 0 && value <= 65536) return value;
  } catch (const std::exception&) {
  }
  throw UsageError("--resize takes a number of pixels or none, not '" + text + "'");
}

namespace {

std::array<double, 3> triple(const std::vector<double>& values, const std::string& flag) {
  if (values.size() == 2) throw UsageError(flag + " takes one number or three");
  return values.size() == 1 ? std::array<double, 3>{values[0], values[0], values[0]}
                            : std::array<double, 3>{values[0], values[1], values[2]};
}

}  // namespace

PreprocessSpec DataFlags::preprocess(const ModelSpec& spec, const std::string& source) const {
  data::image_channels(spec, source);  // refuses numbers of channels that images can't have
  PreprocessSpec out;
  if (spec.preprocess) {
    out = *spec.preprocess;
  } else if (mean.empty() || std.empty()) {
    throw UsageError(source +
                     " does not state how its images were normalised; pass --mean and --std (0.5 and 0.5 for "
                     "timm's augreg ViTs, "
                     "0.485,0.456,0.406 and 0.229,0.224,0.225 for DeiT)");
  } else {
    out.resize = spec.segmentation ? spec.image_size[0] : spec.image_size[0] * 10 / 9;
    if (resize.empty()) {
      log_warning(source + " does not state how its images were resized; assumed: short side to " +
                  std::to_string(*out.resize) + " pixels" + (interpolation.empty() ? ", bicubic" : "") +
                  "; if that is wrong, state the right values with --resize and --interpolation");
    }
  }
  if (!spec.preprocess || out.crop != spec.image_size[0]) out.crop = spec.image_size[0];
  if (!mean.empty()) out.mean = triple(mean, "--mean");
  if (!std.empty()) out.std = triple(std, "--std");
  for (double s : out.std) {
    if (!(s > 0)) throw UsageError("--std must be positive");
  }
  if (const std::string problem = wrong_units(out); !problem.empty())
    throw UsageError((mean.empty() && std.empty() ? source : "--mean and --std") + ": " + problem);
  if (!resize.empty()) {
    out.resize = parse_resize(resize);
    out.squash = false;
  }
  if (crop > 0) out.crop = crop;
  if (!interpolation.empty())
    out.interpolation = interpolation == "bilinear" ? Interpolation::kBilinear : Interpolation::kBicubic;
  if (out.crop != spec.image_size[0] || out.crop != spec.image_size[1]) {
    throw UsageError("the model takes images of " + std::to_string(spec.image_size[0]) + " x " +
                     std::to_string(spec.image_size[1]) + " pixels, but --crop is " +
                     std::to_string(out.crop) + "; pass --image-size " + std::to_string(out.crop) + " too");
  }
  return out;
}

data::DatasetOptions DataFlags::dataset(const ModelSpec& spec) const {
  if (!classes.empty() && !class_order.empty())
    throw UsageError("--classes already determines the order of the classes; omit --class-order");
  data::DatasetOptions options{classes};
  if (!class_order.empty()) options.class_order = data::parse_class_order(class_order);
  options.class_names = spec.class_names;
  options.max_pixels = max_pixels;
  return options;
}

data::DatasetOptions DataFlags::unlabelled() const {
  data::DatasetOptions options;
  options.labels = false;
  options.max_pixels = max_pixels;
  return options;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent(double fraction, int digits) { return fixed(100 * fraction, digits) + " %"; }

}  // namespace vitrim::app
