// vitrim dilute: removes attention by training, as NOSE does.

#include <ATen/ATen.h>

#include <cstdio>

#include "analyze_flags.h"
#include "train_flags.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"
#include "vitrim/pipeline/compress.h"

namespace vitrim::app {

namespace {

struct DiluteFlags {
  TrainFlags train;
  ModelFlags model;
  AnalyzeFlags analyze;
  bool absorb_first = false;
};

// Training images without their labels, or the images of --calib.
data::ImageBatch load_some(const DiluteFlags& flags, const model::Model& model) {
  AnalyzeFlags analyze = flags.analyze;
  if (analyze.calib.empty()) analyze.calib = flags.train.source;
  if (analyze.images == 0) analyze.images = 1000;
  return load_unlabelled(analyze.calib, analyze.images, flags.train.common, flags.train.data, model.spec(),
                         flags.model.model);
}

constexpr int64_t kBatch = 50;  // for passes without training

// The layers that the user lists, or that analyze chooses on some of the training images (without their
// labels).
std::vector<int> choose(const DiluteFlags& flags, const model::Model& model, distributed::Group& group,
                        std::string& reason) {
  if (const auto layers = flags.analyze.named_layers(model.num_blocks())) {
    reason = "named";
    return *layers;
  }
  // A resumed run dilutes the same layers as before, without another search.
  if (flags.train.resume) {
    if (const auto layers = train::diluted_layers(flags.train.state_path())) {
      if (static_cast<int>(layers->size()) !=
          flags.analyze.options(flags.train.common, model.num_blocks()).count) {
        throw Error(flags.train.state_path() + ": this run dilutes layers " + format_layer_list(*layers) +
                    ", not --remove " + flags.analyze.remove +
                    "; repeat the command as it was, or start again without --resume");
      }
      reason = "as before the resume";
      return *layers;
    }
  }
  const data::ImageBatch images = load_some(flags, model);
  CommonFlags common = flags.train.common;
  common.batch_size = kBatch;
  pipeline::AnalyzeOptions options = flags.analyze.options(common, model.num_blocks());
  options.te.group = options.absorbed.group = &group;
  const LayerScores scores = pipeline::analyze(model, images, options);
  reason = scores.criterion + ", " + scores.search;
  log_info("diluting the attention of " + format_layer_list(scores.chosen) + " (" + reason + ")");
  return scores.chosen;
}

// The weights to move towards as lambda falls; none for a resumed run, which has them in its state.
model::StateDict absorb_layers(const DiluteFlags& flags, const model::Model& model,
                               const std::vector<int>& layers, distributed::Group& group) {
  if (flags.train.resume && train::diluted_layers(flags.train.state_path())) return {};
  absorb::AbsorbOptions options;
  options.epochs = 0;
  options.seed = flags.train.common.seed;
  options.batch_size = kBatch;
  options.group = &group;
  const auto [absorbed, report] = pipeline::absorb_removal(model, layers, load_some(flags, model), options);
  char text[160];
  std::snprintf(
      text, sizeof text,
      "absorbed in closed form: mean KL to the dense model %.3g nats on %lld images kept out, before "
      "%.3g",
      report.kl, static_cast<long long>(report.held_out_images), report.plain_kl);
  log_info(text);
  model::StateDict out;
  for (const auto& [name, tensor] : absorbed->parameters().entries()) {
    if (!at::equal(tensor, model.parameter(name))) out.add(name, tensor);
  }
  return out;
}

void run(const DiluteFlags& flags, const Context& context) {
  const auto group = flags.train.start(context);
  const auto model = flags.model.load(flags.train.common.precision);
  require_float_weights(model->spec(), "dilution");
  const TrainInputs inputs = open_inputs(flags.train, model->spec(), flags.model.model);
  TrainResult result;
  result.task = "dilute";
  result.init = flags.model.model;
  check_inputs(flags.train, inputs, model->spec());
  if (inputs.recipe.dilution_epochs == 0)
    log_warning(
        "the recipe does not set dilution.epochs, so the layers are cut at once; pass --dilution-epochs to "
        "dilute them gradually");
  const std::vector<int> layers = choose(flags, *model, *group, result.reason);
  std::optional<model::StateDict> absorbed;
  if (flags.absorb_first) absorbed = absorb_layers(flags, *model, layers, *group);
  prepare(*model, flags.train, inputs, *group);
  train_and_write(flags.train, context, *model, inputs, group, layers, std::move(result), absorbed);
}

}  // namespace

void add_dilute(CLI::App& app, Context& context) {
  auto flags = std::make_shared<DiluteFlags>();
  CLI::App* command = app.add_subcommand(
      "dilute", "train a model while chosen attention layers fade out, and cut these layers");
  flags->model.add_to(*command);
  flags->analyze.add_choice_to(*command);
  flags->analyze.add_to(*command, /*needs_calib=*/false);
  command->add_flag(
      "--absorb-first", flags->absorb_first,
      "first fit the MLPs in closed form to compensate for the layers, on the images on which the layers are "
      "chosen: the fitted weights replace the old ones as lambda falls, and a block ends as y = x instead of "
      "y = 2x");
  flags->train.settings.recipe = "nose_imagenet";
  flags->train.add_to(*command, {flags->analyze.keys()});
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
