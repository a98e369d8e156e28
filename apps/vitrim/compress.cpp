// vitrim compress: analyze, select, absorb, cut, fold, evaluate.

#include "vitrim/pipeline/compress.h"

#include <chrono>
#include <set>

#include "compress_flags.h"
#include "ranks.h"
#include "view_flags.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/log.h"
#include "vitrim/hub/hub.h"
#include "vitrim/pipeline/static_layers.h"

namespace vitrim::app {

namespace {

struct CompressFlags : CompressionFlags {
  OutputFlags output;
  QuantizeFlag quantize;
  bool controls = false;
  std::string static_layers;
  ViewFlags views;
  int random_controls = 5;
  bool resume = false;
};

// Settings that influence the result, one per line.
std::string settings_of(const CLI::App& command, const Settings& settings) {
  static const std::set<std::string> kOthers = {"--resume", "--report", "--json",   "--threads", "--quiet",
                                                "--help",   "--eval",   "--output", "--recipe",  "--set"};
  std::string out;
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    if (kOthers.contains(name)) continue;
    std::string value = option->get_default_str();
    if (option->count() > 0) {
      value.clear();
      for (const std::string& part : option->results()) value += (value.empty() ? "" : " ") + part;
    }
    out += name + " = " + value + "\n";
  }
  for (const auto& [key, value] : settings.changed()) out += key + " = " + value + "\n";
  return out;
}

void run(const CompressFlags& flags, const CLI::App& command, const Context& context) {
  flags.common.apply(flags.output.output);
  flags.settings.apply();
  const auto group = join_ranks(context);
  flags.output.check(flags.common.json);
  OutputFlags output = flags.output;
  output.weights = flags.model.weights;
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  require_float_weights(model->spec(), "absorption");
  pipeline::CompressOptions options = flags.options(model->num_blocks(), *group);
  options.layers = flags.analyze.named_layers(model->num_blocks()).value_or(std::vector<int>());
  if (!flags.static_layers.empty()) {
    pipeline::set_static_layers(options, flags.static_layers, model->num_blocks());
    options.remove_layers = !flags.analyze.remove.empty() || !flags.analyze.layers.empty();
  }
  if (options.layers.empty() && options.analyze.count == 0 && flags.static_layers.empty() &&
      !options.prune.prunes()) {
    throw Error("--remove " + flags.analyze.remove + " is not a layer of " +
                std::to_string(model->num_blocks()) + "; nothing would be removed");
  }
  pipeline::check_compress(model->spec(), options);
  options.controls = flags.controls;
  options.analyze.both_criteria = options.analyze.both_criteria || flags.controls;
  options.random_controls = flags.random_controls;

  eval::AccuracyOptions accuracy;
  accuracy.group = group.get();
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  const data::ImageBatch images =
      flags.views.load(flags.analyze, flags.common, flags.data, *model, flags.model.model, options);
  // Before the first fit, so that a state of another run is refused at once.
  pipeline::CompressState state;
  if (flags.resume) {
    const std::string path = hub::stem_of(flags.output.output) + ".state";
    check_writable(path);
    state = pipeline::CompressState(path,
                                    settings_of(command, flags.settings) +
                                        "weights = " + model::checksum_of(model->parameters(), "") +
                                        "\nimages = " + images.fingerprint + "\n",
                                    group->is_main());
    options.state = &state;
  }
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (flags.quantize.wanted && group->size() > 1)
    throw Error(
        "--quantize runs in one process; start it without torchrun, or run vitrim quantize afterwards");
  // The written model is the one that is evaluated.
  const data::Dataset* first = flags.quantize.wanted && !flags.controls ? nullptr : evaluation.get();
  pipeline::Compressed compressed = [&] {
    try {
      return pipeline::compress(*model, images, first, accuracy, options);
    } catch (const Interrupted&) {
      if (flags.resume) log_info("repeat the command to continue where it stopped");
      throw;
    }
  }();
  CompressResult& result = compressed.result;
  flags.quantize.apply(flags.common, *model, compressed, images, options.absorb, evaluation.get(), accuracy);
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, flags.common, images.fingerprint);
  result.manifest.settings = flags.settings.changed();
  result.model = flags.model.model;
  result.output = flags.output.output;
  on_main_rank(*group, [&] { write_compressed(flags.common, *compressed.model, result, output); });
  state.remove();
}

}  // namespace

void add_compress(CLI::App& app, Context& context) {
  auto flags = std::make_shared<CompressFlags>();
  CLI::App* command = app.add_subcommand(
      "compress",
      "make attention layers static or remove them, refit the MLPs, and write a smaller checkpoint");
  flags->model.add_to(*command);
  flags->analyze.add_to(*command);
  command->add_option(
      "--static", flags->static_layers,
      "attention layers to make static, by fixed filters over the map of values: a list (0,1,3), or a number "
      "(25% or best:3) of layers that a search chooses; costs less accuracy than --remove, which saves more; "
      "both can be passed");
  flags->analyze.add_choice_to(*command);
  flags->evaluation.add_to(*command);
  flags->evaluation.segmentation.add_to(*command);
  flags->output.add_to(*command, "the compressed checkpoint");
  flags->quantize.add_to(*command);
  command->add_flag("--controls", flags->controls,
                    "for comparison, also remove random, first, last and least-norm sets of layers in the "
                    "same way and evaluate them");
  command->add_option("--random-controls", flags->random_controls, "number of random sets among the controls")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  flags->absorb.add_to(*command);
  flags->views.add_to(*command);
  flags->prune.add_to(*command);
  flags->settings.add_to(*command, {fit_keys(flags->absorb.values), flags->views.keys(),
                                    channel_keys(flags->prune.values), flags->analyze.keys()});
  flags->data.add_to(*command);
  command->add_flag("--resume", flags->resume,
                    "save the state of the work in OUTPUT.state after every block and every pass, and "
                    "continue from the state of an interrupted run of the same command if there is one");
  flags->common.add_to(*command);
  command->callback([flags, command, &context] {
    context.run = [flags, command, &context] { run(*flags, *command, context); };
  });
}

}  // namespace vitrim::app
