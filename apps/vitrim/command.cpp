#include "command.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "examples.h"
#include "streams.h"
#include "terminal_sink.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/log.h"
#include "vitrim/core/macs_target.h"
#include "vitrim/core/manifest.h"
#include "vitrim/core/normalization.h"
#include "vitrim/core/suggest.h"
#include "vitrim/data/loader.h"
#include "vitrim/hub/hub.h"
#include "vitrim/report/report.h"

namespace vitrim::app {

Context make_context(int argc, char** argv) {
  Context context;
  for (int i = 0; i < argc; ++i) {
    const std::string word = i == 0 ? "vitrim" : argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\$`*?;&|<>()") == std::string::npos;
    context.command_line += (i ? " " : "") + (plain ? word : "'" + word + "'");
  }
  return context;
}

std::vector<std::string> expanded_arguments(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t value = word.starts_with("--") ? word.find('=') + 1 : 0;  // 0 where there is no =
    words.push_back(word.substr(0, value) + checkpoint::expand_home(word.substr(value)));
  }
  return words;
}

void add_commands(CLI::App& app, Context& context) {
  add_compress(app, context);
  add_prune(app, context);
  add_merge(app, context);
  add_quantize(app, context);
  add_plan(app, context);
  add_bench(app, context);
  add_analyze(app, context);
  add_eval(app, context);
  add_inspect(app, context);
  add_report(app, context);
  add_sweep(app, context);
  add_train(app, context);
  add_dilute(app, context);
  add_export(app, context);
  add_run(app, context);
  add_completion(app, context);
  add_examples(app);
}

namespace {

// Every flag and subcommand that would have been right in its place.
std::vector<std::string> valid_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  const auto parsed = app.get_subcommands();
  const CLI::App& active = parsed.empty() ? app : *parsed.front();
  for (const CLI::Option* option : active.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

bool known(const std::string& word, const std::vector<std::string>& names) {
  const std::string flag = word.substr(0, word.find('='));
  return std::find(names.begin(), names.end(), flag) != names.end();
}

}  // namespace

std::string help_text(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream text, nothing;
  app.exit(error, text, nothing);
  return text.str();
}

int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string message = error.what();
  const std::vector<std::string> names = valid_names(app);
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool flag = word.rfind("--", 0) == 0 && word.size() > 2;
    if ((flag || i == 1) && !known(word, names)) {
      message = (flag ? "unknown flag " : "unknown command ") + word + "; did you mean " +
                nearest(word.substr(0, word.find('=')), names) + "?";
      break;
    }
  }
  std::cerr << "vitrim: " << printable(message) << "\nRun with --help for the flags.\n";
  return 2;
}

void CommonFlags::add_to(CLI::App& command, bool computes) {
  command.add_option("--json", json, "write the result as JSON to FILE; - is standard output")
      ->type_name("FILE");
  command.add_flag("--quiet", quiet, "print neither progress nor a summary");
  if (!computes) return;
  command.add_option("--threads", threads, "number of processor threads; default: all cores")
      ->check(CLI::Range(1, 1024));
  command.add_option("--seed", seed, "seed of all random numbers")->capture_default_str();
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

void CommonFlags::apply(const std::string& output) const {
  if (threads > 0) at::set_num_threads(threads);
  set_log_sink(make_terminal_sink(quiet));
  if (!json.empty() && json != "-") hub::check_writable(json, output);
}

void CommonFlags::write_json(const std::string& text) const {
  if (json.empty()) return;
  const std::string lines = text.ends_with('\n') ? text : text + "\n";
  if (json == "-") {
    write_standard_output(lines);
  } else {
    write_text_file(json, lines);
  }
}

void UnsaidFlags::add_to(CLI::App& command) {
  command
      .add_option("--num-heads", num_heads,
                  "number of attention heads, needed where the checkpoint does not state it; one number per "
                  "stage for a model with stages: 1,2,5,8")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  command
      .add_option(
          "--stream-gain", stream_gain,
          "factor on the stream in blocks without attention, where the checkpoint does not say: 1, or 2 "
          "as in the models of NOSE's authors")
      ->check(CLI::IsMember({1.0, 2.0}));
  command
      .add_option("--activation", activation,
                  "activation of the MLPs; needed where the checkpoint does not state it")
      ->check(CLI::IsMember(model::activation_names()));
  command
      .add_option("--norm-eps", norm_eps,
                  "epsilon of the norms; needed where the checkpoint does not state it")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--pooling", pooling,
                  "what the classifier reads: the class token or the average of the patch tokens")
      ->check(CLI::IsMember({"token", "average"}));
}

void UnsaidFlags::fill(model::LoadHints& hints) const {
  hints.num_heads = num_heads;
  if (stream_gain > 0) hints.stream_gain = stream_gain;
  if (!activation.empty()) hints.activation = model::parse_activation(activation);
  if (norm_eps > 0) hints.norm_eps = norm_eps;
  if (!pooling.empty()) hints.pooling = pooling == "token" ? Pooling::kToken : Pooling::kAverage;
}

void ModelFlags::add_to(CLI::App& command) {
  command
      .add_option(
          "MODEL", model,
          "checkpoint (.safetensors, .pth, model.safetensors.index.json, or a folder with one), the id of a "
          "model in the local Hugging Face cache, or the name of a known architecture")
      ->required();
  unsaid.add_to(command);
  command
      .add_option("--image-size", image_size, "run at another image size; position embeddings are resized")
      ->check(CLI::PositiveNumber);
  command.add_option("--num-classes", num_classes, "number of classes that the classifier must have")
      ->check(CLI::PositiveNumber);
  command.add_option("--task", task, "task that the model must have; default: any")
      ->check(CLI::IsMember({"classification", "segmentation"}));
  add_weights_flag(command, weights);
}

void add_weights_flag(CLI::App& command, std::string& weights) {
  command
      .add_option(
          "--weights", weights,
          "which set of weights to take from a file that holds several, such as state_dict or teacher; "
          "default: the set that the program which wrote the file takes for inference")
      ->type_name("NAME");
}

void ModelFlags::check_task(const ModelSpec& spec) const {
  if (task.empty() || task == task_name(spec.task())) return;
  throw UsageError(model + " is a model for " + task_name(spec.task()) + ", not for " + task +
                   (spec.segmentation
                        ? ""
                        : "; vitrim train --init " + model + " --head upernet gives it a head for pixels"));
}

model::LoadHints ModelFlags::hints() const {
  model::LoadHints hints;
  unsaid.fill(hints);
  hints.weights = weights;
  if (image_size > 0) hints.image_size = image_size;
  if (num_classes > 0) hints.num_classes = num_classes;
  return hints;
}

std::unique_ptr<model::Model> ModelFlags::load(const std::string& precision) const {
  auto loaded = model::load_model(model, hints());
  check_task(loaded->spec());
  loaded->set_compute_dtype(model::parse_precision(precision));
  return loaded;
}

void FeatureFlags::add_to(CLI::App& command) {
  command
      .add_option("--knn", neighbours,
                  "judge features instead of a classifier: so many nearest neighbours among the images of "
                  "--train vote; the default where only --train is passed is 20")
      ->check(CLI::Range(1, 100000));
  command.add_option(
      "--train", train,
      "labelled images in whose classes features are judged, by nearest neighbours or --probe");
  command.add_flag("--probe", probe,
                   "judge features by a linear classifier fitted to --train in closed form");
}

void FeatureFlags::apply(const DataFlags& data, const ModelSpec& spec,
                         eval::AccuracyOptions& accuracy) const {
  if (!any()) return;
  if (neighbours > 0 && probe) throw UsageError("--knn and --probe are two ways to judge features; pass one");
  if (train.empty())
    throw UsageError(std::string(probe ? "--probe" : "--knn") +
                     " needs labelled images to answer from: --train DIR");
  accuracy.gallery = data::open_dataset(train, data.dataset(spec));
  accuracy.probe = probe;
  if (neighbours > 0) accuracy.neighbours = neighbours;
}

void SegmentationFlags::add_to(CLI::App& command) {
  command
      .add_option("--window", window,
                  "segmentation: side of windows that slide over an image, in pixels; default: whole images")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--stride", stride,
                  "segmentation: distance between windows in pixels; default: two thirds of the window")
      ->check(CLI::PositiveNumber);
  command.add_option("--pictures", pictures, "segmentation: number of images whose masks the result shows")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
}

void SegmentationFlags::apply(const ModelSpec& spec, eval::AccuracyOptions& accuracy) const {
  if (!spec.segmentation && (window > 0 || stride > 0))
    throw UsageError("--window and --stride are for models for segmentation, and this one classifies images");
  if (stride > 0 && window == 0)
    throw UsageError("--stride says by how much windows slide; pass --window too");
  accuracy.window = window;
  accuracy.stride = stride;
  accuracy.pictures = pictures;
}

void DataFlags::add_to(CLI::App& command) {
  command.add_option("--mean", mean, "mean of the normalisation, one number or three")
      ->delimiter(',')
      ->expected(1, 3);
  command.add_option("--std", std, "standard deviation of the normalisation, one number or three")
      ->delimiter(',')
      ->expected(1, 3);
  command.add_option("--resize", resize, "short side before the crop in pixels, or none");
  command.add_option("--crop", crop, "side of the centre crop in pixels")->check(CLI::PositiveNumber);
  command
      .add_option("--interpolation", interpolation,
                  "interpolation when images are resized: bicubic or bilinear")
      ->check(CLI::IsMember({"bicubic", "bilinear"}));
  command
      .add_option("--classes", classes,
                  "class folders (of masks: classes) in index order, one a line; its rank is the class index")
      ->type_name("FILE");
  command
      .add_option("--class-order", class_order,
                  "order of class folders whose names can be sorted in two ways: lexicographic (1, 10, 2, as "
                  "torchvision sorts) or natural (1, 2, 10, as timm sorts)")
      ->check(CLI::IsMember({"lexicographic", "natural"}));
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
  data::image_channels(spec, source);  // refuses what images can't give
  PreprocessSpec out;
  if (spec.preprocess) {
    out = *spec.preprocess;
  } else if (mean.empty() || std.empty()) {
    throw UsageError(source +
                     " does not say how its images were normalised; pass --mean and --std (0.5 and 0.5 for "
                     "timm's augreg ViTs, "
                     "0.485,0.456,0.406 and 0.229,0.224,0.225 for DeiT)");
  } else {
    out.resize = spec.segmentation ? spec.image_size[0] : spec.image_size[0] * 10 / 9;
    if (resize.empty()) {
      log_warning(source + " does not say how its images were resized; assumed: short side to " +
                  std::to_string(*out.resize) + " pixels" + (interpolation.empty() ? ", bicubic" : "") +
                  "; --resize and --interpolation state other values");
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
                     std::to_string(spec.image_size[1]) + " pixels, but --crop says " +
                     std::to_string(out.crop) + "; pass --image-size " + std::to_string(out.crop) + " too");
  }
  return out;
}

data::DatasetOptions DataFlags::dataset(const ModelSpec& spec) const {
  if (!classes.empty() && !class_order.empty())
    throw UsageError("--classes gives the order of the classes already; leave --class-order out");
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

Manifest manifest_of(const Context& context, const CommonFlags& flags, const std::string& data_fingerprint) {
  Manifest manifest = make_manifest(context.command_line, flags.seed, at::get_num_threads());
  manifest.torch_version = TORCH_VERSION;
  manifest.instruction_set = at::get_cpu_capability();
  manifest.data_fingerprint = data_fingerprint;
  return manifest;
}

namespace {

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace

void write_report(const std::string& path, const std::string& output, const std::string& json,
                  const std::string& subject) {
  if (path.empty()) return;
  write_text_file(path, report::render({{output, json}},
                                       "vitrim: " + std::filesystem::path(subject).filename().string()));
}

std::string difference_text(const PairedResult& paired) {
  char text[160];
  std::snprintf(text, sizeof text, "paired difference %+.1f points (95 %% interval %+.1f to %+.1f",
                100 * paired.difference, 100 * paired.ci95.first, 100 * paired.ci95.second);
  char p[48] = ")";
  if (!std::isnan(paired.mcnemar_p)) std::snprintf(p, sizeof p, ", McNemar p = %.2g)", paired.mcnemar_p);
  return std::string(text) + p;
}

std::string percent(double fraction, int digits) { return fixed(100 * fraction, digits) + " %"; }
std::string millions(int64_t count) { return fixed(static_cast<double>(count) / 1e6, 3) + " M"; }
std::string billions(int64_t count) { return giga(count); }

}  // namespace vitrim::app
