// vitrim analyze: measures which attention layers carry information.

#include <cstdio>

#include "analyze_flags.h"
#include "ranks.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"

namespace vitrim::app {

namespace {

struct AnalyzeCommandFlags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  AnalyzeFlags analyze;
  Settings settings;
  std::string output;
};

void run(const AnalyzeCommandFlags& flags, const Context& context) {
  flags.common.apply();
  flags.settings.apply();
  const auto group = join_ranks(context);
  if (!flags.output.empty()) check_writable(flags.output);
  const auto model = flags.model.load(flags.common.precision);
  pipeline::AnalyzeOptions options = flags.analyze.options(flags.common, model->num_blocks());
  options.te.group = options.absorbed.group = group.get();
  const data::ImageBatch images =
      flags.analyze.load(flags.common, flags.data, model->spec(), flags.model.model);
  LayerScores scores = pipeline::analyze(*model, images, options);
  scores.manifest = manifest_of(context, flags.common, images.fingerprint);
  scores.manifest.settings = flags.settings.changed();
  scores.model = flags.model.model;
  on_main_rank(*group, [&] {
    const std::string json = to_json(scores);
    OutputSet files;
    if (!flags.output.empty()) write_text_file(flags.output, json);
    flags.common.write_json(json);
    files.commit();
    if (flags.common.speaks()) print_scores(scores);
  });
}

}  // namespace

void add_analyze(CLI::App& app, Context& context) {
  auto flags = std::make_shared<AnalyzeCommandFlags>();
  CLI::App* command = app.add_subcommand(
      "analyze", "measure every attention layer's entropy and transfer entropy, and choose a set to remove");
  flags->model.add_to(*command);
  flags->analyze.add_to(*command);
  command->add_option("--remove", flags->analyze.remove,
                      "number or share of attention layers to choose: 3 or 25%");
  command->add_option("-o,--output", flags->output, "JSON file to which the scores are written");
  flags->settings.add_to(*command, {flags->analyze.keys()});
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
