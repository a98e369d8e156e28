// vitrim eval: measures accuracy on labelled images, or mean intersection over union for segmentation.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdio>

#include "command.h"
#include "ranks.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/error.h"
#include "vitrim/eval/accuracy.h"
#include "vitrim/eval/features.h"
#include "vitrim/model/floats.h"
#include "vitrim/runtime/engine.h"

namespace vitrim::app {

namespace {

struct EvalFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  SegmentationFlags segmentation;
  FeatureFlags features;
  std::string source, engine = "libtorch", against;
  bool retrieval = false;
  int64_t neighbours = 10, images = 0;
};

void print(const std::string& model, const EvalResult& result) {
  const SegmentationFigures& s = *result.segmentation;
  tell("%s on %s (%s): mIoU %s (95 %% interval %s to %s), mean accuracy %s, pixel accuracy %s\n",
       model.c_str(), result.data.c_str(), s.protocol.c_str(), percent(s.miou).c_str(),
       percent(s.miou_ci95.first).c_str(), percent(s.miou_ci95.second).c_str(),
       percent(s.mean_accuracy).c_str(), percent(s.pixel_accuracy).c_str());
}

void print_features(const std::string& model, const EvalResult& r) {
  if (r.retrieval) {
    const RetrievalFigures& f = *r.retrieval;
    tell(
        "%s on %s, neighbours of %s: recall at %lld %s (95 %% interval %s to %s), mean average precision %s "
        "(%s to %s), same nearest neighbour %s\n",
        model.c_str(), r.data.c_str(), f.reference.c_str(), static_cast<long long>(f.neighbours),
        percent(f.recall).c_str(), percent(f.recall_ci95.first).c_str(),
        percent(f.recall_ci95.second).c_str(), percent(f.mean_average_precision).c_str(),
        percent(f.precision_ci95.first).c_str(), percent(f.precision_ci95.second).c_str(),
        percent(r.top1).c_str());
    return;
  }
  tell("%s on %s, %s of %s: top-1 %s (95 %% interval %s to %s), top-5 %s\n", model.c_str(), r.data.c_str(),
       r.protocol.c_str(), r.gallery.c_str(), percent(r.top1).c_str(), percent(r.top1_ci95.first).c_str(),
       percent(r.top1_ci95.second).c_str(), percent(r.top5).c_str());
}

// The dense model, whose neighbours count as right.
EvalResult retrieval(const EvalFlags& flags, const model::Model& model, const data::Dataset& dataset,
                     const eval::AccuracyOptions& options) {
  architecture::LoadHints hints;
  hints.stated = flags.model.unsaid.stated();
  const auto reference = model::load_model(flags.against, hints);
  reference->set_compute_dtype(model::parse_compute_dtype(flags.common.precision));
  return eval::evaluate_retrieval(model, *reference, dataset, options,
                                  flags.data.preprocess(reference->spec(), flags.against), flags.neighbours,
                                  flags.against);
}

void run(const EvalFlags& flags, const Context& context) {
  flags.common.apply();
  const auto group = join_ranks(context);
  const auto model = flags.model.load(flags.common.precision);
  const std::shared_ptr<const data::Dataset> whole = data::open_dataset(
      flags.source, flags.retrieval ? flags.data.unlabelled() : flags.data.dataset(model->spec()));
  eval::AccuracyOptions options;
  options.preprocess = flags.data.preprocess(model->spec(), flags.model.model);
  options.batch_size = flags.common.batch_size;
  options.threads = flags.common.threads;
  options.max_corrupt = flags.data.max_corrupt;
  options.group = group.get();
  flags.segmentation.apply(model->spec(), options);
  flags.features.apply(flags.data, model->spec(), options);
  const auto dataset = spread_images(whole, flags.images, options, "--data", "--images");
  std::unique_ptr<runtime::Engine> engine;
  if (flags.engine == "native") {
    const std::string reason = runtime::why_not(model->spec());
    if (!reason.empty()) throw Error(reason + " (--engine libtorch)");
    engine = std::make_unique<runtime::Engine>(
        model->spec(), model->parameters(),
        runtime::EngineOptions{at::get_num_threads(), runtime::parse_precision(flags.common.precision)});
    options.logits = [&](const at::Tensor& images) {
      const at::Tensor input = images.contiguous();
      at::Tensor out = at::empty({images.size(0), engine->outputs()});
      engine->run(model::floats_of(input), images.size(0), model::writable_floats_of(out));
      return out;
    };
  }
  EvalResult result = flags.retrieval ? retrieval(flags, *model, *dataset, options)
                                      : eval::evaluate(*model, *dataset, options);
  result.manifest = manifest_of(context, flags.common, dataset->fingerprint());
  result.model = flags.model.model;
  on_main_rank(*group, [&] {
    flags.common.write_json(to_json(result));
    if (!flags.common.speaks()) return;
    if (!result.protocol.empty()) return print_features(flags.model.model, result);
    if (result.segmentation) return print(flags.model.model, result);
    tell("%s on %s: top-1 %s (95 %% interval %s to %s), top-5 %s\n", flags.model.model.c_str(),
         result.data.c_str(), percent(result.top1).c_str(), percent(result.top1_ci95.first).c_str(),
         percent(result.top1_ci95.second).c_str(), percent(result.top5).c_str());
  });
}

}  // namespace

void add_eval(CLI::App& app, Context& context) {
  auto flags = std::make_shared<EvalFlags>();
  flags->common.precision = "f32";
  CLI::App* command = app.add_subcommand(
      "eval", "measure a model's accuracy on labelled images, or its mIoU on images with masks");
  flags->model.add_to(*command);
  command
      ->add_option("--data", flags->source,
                   "labelled images: image folder, tar shards, CIFAR .bin file, or synthetic:SPLIT[:COUNT]; "
                   "images with masks: ADE20K folder (FOLDER:validation) or synthetic-masks:SPLIT[:COUNT]")
      ->required();
  command
      ->add_option("--images", flags->images,
                   "number of images to evaluate, spread over the classes; default: all")
      ->check(CLI::Range(1, 10000000));
  command
      ->add_option("--engine", flags->engine,
                   "engine that runs the model: libtorch, or native, vitrim's CPU engine")
      ->check(CLI::IsMember({"native", "libtorch"}))
      ->capture_default_str();
  flags->features.add_to(*command);
  command->add_flag(
      "--retrieval", flags->retrieval,
      "measure how well each image's nearest neighbours agree with those of the model of --against");
  command->add_option(
      "--against", flags->against,
      "model whose nearest neighbours are the right ones for --retrieval, usually the dense model");
  command
      ->add_option("--neighbours", flags->neighbours,
                   "number of nearest neighbours that --retrieval compares")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  flags->segmentation.add_to(*command);
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
