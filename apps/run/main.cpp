// vitrim-run: classifies images with vitrim's CPU engine alone, without LibTorch.

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "classify.h"
#include "core/json.h"
#include "help_format.h"
#include "input_flags.h"
#include "program.h"
#include "signals.h"
#include "speed.h"
#include "streams.h"
#include "terminal_sink.h"
#include "vitrim/checkpoint/locate.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/data/class_list.h"
#include "vitrim/data/image_list.h"
#include "vitrim/weights/open.h"

namespace vitrim::app {
namespace {

using json::Json;

struct Flags {
  ProgramFlags common;
  ModelInput model;
  DataFlags data;
  std::vector<std::string> images;
  std::string classes;
  int64_t top = 5;
  bool shape = false, bench = false;
  double seconds = 2;
};

void check(const Flags& flags) {
  if (flags.images.empty() && !flags.shape && !flags.bench)
    throw UsageError("no image was given; pass image files or folders, or --shape or --bench");
  if (!flags.images.empty() && (flags.shape || flags.bench))
    throw UsageError(std::string(flags.shape ? "--shape" : "--bench") + " takes no images; leave them out");
  if (flags.shape && flags.bench)
    throw UsageError("--shape and --bench exclude each other; pass one of them");
}

runtime::Engine make_engine(const Flags& flags) {
  const weights::Opened opened = weights::open(flags.model.model, flags.model.hints());
  flags.model.check_task(opened.spec);
  const std::string reason = runtime::why_not(opened.spec);
  if (!reason.empty()) throw Error(flags.model.model + ": " + reason);
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return {opened.spec,
          weights::parameters_of(opened),
          {flags.common.threads > 0 ? flags.common.threads : cores,
           runtime::parse_precision(flags.common.precision)}};
}

Json document(const Flags& flags, const Context& context, const runtime::Engine& engine,
              const std::string& kind) {
  Json out = json::document(kind, 1);
  out["command"] = context.command_line;
  out["vitrim"] = version();
  out["model"] = flags.model.model;
  out["threads"] = engine.threads();
  out["precision"] = engine.precision() == runtime::Precision::kBf16 ? "bf16" : "f32";
  out["instruction_set"] = runtime::to_string(engine.isa());
  return out;
}

void show_shape(const Flags& flags, const Context& context, const runtime::Engine& engine) {
  const ModelSpec& spec = engine.spec();
  Json out = document(flags, context, engine, "shape");
  out["channels"] = spec.in_channels;
  out["height"] = spec.image_size[0];
  out["width"] = spec.image_size[1];
  out["outputs"] = engine.outputs();
  out["classifies"] = spec.num_classes > 0;
  if (spec.preprocess) {
    const PreprocessSpec& p = *spec.preprocess;
    Json& prepared = out["preprocess"];
    prepared["resize"] = p.resize ? Json(*p.resize) : Json();
    prepared["crop"] = p.crop;
    prepared["interpolation"] = p.interpolation == Interpolation::kBilinear ? "bilinear" : "bicubic";
    prepared["mean"] = p.mean;
    prepared["std"] = p.std;
  }
  flags.common.write_json(json::dump(out, 2));
  if (!flags.common.speaks()) return;
  tell("%s: images of %lld x %lld x %lld (channels, height, width), %lld %s\n", flags.model.model.c_str(),
       static_cast<long long>(spec.in_channels), static_cast<long long>(spec.image_size[0]),
       static_cast<long long>(spec.image_size[1]), static_cast<long long>(engine.outputs()),
       spec.num_classes > 0 ? "classes" : "features");
  if (!spec.preprocess) return tell("the checkpoint does not state how its images were prepared\n");
  const PreprocessSpec& p = *spec.preprocess;
  tell("prepared: %s, centre crop of %lld pixels, mean %g, %g, %g, standard deviation %g, %g, %g\n",
       p.resize
           ? ((p.squash ? "squashed to " : "short side to ") + std::to_string(*p.resize) + " pixels").c_str()
           : "not resized",
       static_cast<long long>(p.crop), p.mean[0], p.mean[1], p.mean[2], p.std[0], p.std[1], p.std[2]);
}

void show_speed(const Flags& flags, const Context& context, runtime::Engine& engine) {
  Json out = document(flags, context, engine, "speed");
  std::vector<int64_t> batches{1};
  if (flags.common.batch_size > 1) batches.push_back(flags.common.batch_size);
  for (const int64_t batch : batches) {
    const Speed speed = measure(engine, batch, flags.seconds);
    out["rows"].push_back({{"batch", batch},
                           {"runs", speed.runs},
                           {"latency", speed.latency},
                           {"latency_p10", speed.latency_p10},
                           {"latency_p90", speed.latency_p90},
                           {"images_per_second", speed.images_per_second()}});
    if (!flags.common.speaks()) continue;
    tell("batch %4lld: %9.2f ms (%.2f to %.2f, 10th to 90th percentile of %lld runs), %.1f images/s\n",
         static_cast<long long>(batch), 1e3 * speed.latency, 1e3 * speed.latency_p10, 1e3 * speed.latency_p90,
         static_cast<long long>(speed.runs), speed.images_per_second());
  }
  flags.common.write_json(json::dump(out, 2));
}

std::vector<std::string> class_names(const Flags& flags, const ModelSpec& spec) {
  if (flags.classes.empty()) return spec.class_names;
  std::vector<std::string> names = data::read_class_list(flags.classes);
  if (static_cast<int64_t>(names.size()) != spec.num_classes) {
    throw Error(flags.classes + ": " + std::to_string(names.size()) + " classes, but the model has " +
                std::to_string(spec.num_classes) + "; pass a list with one class name per line");
  }
  return names;
}

void classify(const Flags& flags, const Context& context, runtime::Engine& engine) {
  const ModelSpec& spec = engine.spec();
  if (spec.num_classes < 1)
    throw Error(flags.model.model +
                ": the model has no classifier, so it can't classify images; pass a model with a classifier");
  const std::vector<std::string> names = class_names(flags, spec);
  const auto dataset = data::open_images(flags.images, flags.data.unlabelled());
  data::LoadOptions load;
  load.preprocess = flags.data.preprocess(spec, flags.model.model);
  load.threads = flags.common.threads;
  load.max_corrupt = flags.data.max_corrupt;
  load.channels = data::image_channels(spec, flags.model.model);
  const data::PixelBatch images = data::decode_images(*dataset, load);
  const std::vector<float> logits = answers(engine, images, flags.common.batch_size);
  Json out = document(flags, context, engine, "predictions");
  out["images"] = Json::array();
  std::string text;  // printed after the JSON is written
  const auto outputs = static_cast<size_t>(engine.outputs());
  for (size_t i = 0; i < images.names.size(); ++i) {
    Json& row = out["images"].emplace_back();
    row["image"] = images.names[i];
    row["top"] = Json::array();
    text += images.names[i] + "\n";
    for (const Answer& answer : best(std::span(logits).subspan(i * outputs, outputs), flags.top)) {
      Json& one = row["top"].emplace_back();
      one["class"] = answer.index;
      if (!names.empty()) one["name"] = names[static_cast<size_t>(answer.index)];
      one["probability"] = answer.probability;
      one["logit"] = answer.logit;
      const std::string share = percent(answer.probability);
      text += std::string(9 - std::min<size_t>(9, share.size()), ' ') + share + "  " +
              (names.empty() ? "class " + std::to_string(answer.index)
                             : names[static_cast<size_t>(answer.index)]) +
              "\n";
    }
  }
  out["corrupt"] = images.corrupt;
  flags.common.write_json(json::dump(out, 2));
  if (flags.common.speaks()) tell("%s", text.c_str());
}

void run(const Flags& flags, const Context& context) {
  check(flags);
  set_log_sink(make_terminal_sink(flags.common.quiet));
  if (!flags.common.json.empty() && flags.common.json != "-") check_writable(flags.common.json);
  runtime::Engine engine = make_engine(flags);
  if (flags.shape) return show_shape(flags, context, engine);
  if (flags.bench) return show_speed(flags, context, engine);
  classify(flags, context, engine);
}

void add_flags(CLI::App& app, Flags& flags) {
  app.add_option("MODEL", flags.model.model,
                 "checkpoint (.safetensors, .pth, model.safetensors.index.json, or a folder with one), or "
                 "the id of a "
                 "model in the local Hugging Face cache")
      ->required();
  app.add_option("IMAGES", flags.images,
                 "image files (JPEG, PNG, WebP), folders of images, tar shards, or synthetic:SPLIT[:COUNT]");
  app.add_option("--top", flags.top, "number of classes that are shown for each image, most likely first")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option(
         "--classes", flags.classes,
         "file with the names of the classes, one per line, in the order of their indices, or imagenet-1k, "
         "the built-in list of ILSVRC2012's ids; default: the checkpoint's own names")
      ->type_name("FILE");
  app.add_flag("--shape", flags.shape,
               "show the size of the model's images and the number of its outputs, and exit");
  app.add_flag("--bench", flags.bench, "measure the time of one image and of a batch on noise, and exit");
  app.add_option("--seconds", flags.seconds, "number of seconds for which --bench measures each of the two")
      ->check(CLI::Range(0.01, 600.0))
      ->capture_default_str();
  flags.common.batch_size = 8;
  flags.common.add_output(app);
  flags.common.add_threads(app);
  flags.common.add_numbers(app);
  flags.data.add_preprocessing(app);
  flags.data.add_limits(app);
  flags.model.add_hints(app);
}

}  // namespace
}  // namespace vitrim::app

int main(int argc, char** argv) {
  using namespace vitrim::app;
  begin_program("vitrim-run");
  watch_signals();
  Context context = make_context(argc, argv);
  CLI::App app{"classify images with the CPU engine alone, without LibTorch", "vitrim-run"};
  app.set_help_flag("-h,--help", "show this help");
  app.set_version_flag("--version", "vitrim-run " + vitrim::version(), "show the version");
  app.formatter(std::make_shared<HelpFormat>());
  Flags flags;
  add_flags(app, flags);
  app.footer(
      "Examples:\n  vitrim-run models/synthetic_vit.safetensors synthetic:test:3 --top 2\n"
      "  vitrim-run models/synthetic_vit.safetensors --bench --seconds 0.1");
  context.run = [&] { run(flags, context); };
  return run_program(app, context, argc, argv);
}
