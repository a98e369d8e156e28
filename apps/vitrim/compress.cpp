// vitrim compress: analyze, select, absorb, cut, fold, evaluate.

#include "vitrim/pipeline/compress.h"

#include <chrono>
#include <cstdio>

#include "analyze_flags.h"
#include "ranks.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"

namespace vitrim::app {

namespace {

struct Flags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  AnalyzeFlags analyze;
  std::string eval, eval_resize, eval_classes, output, report;
  bool no_absorb = false, controls = false;
  int random_controls = 5;
  absorb::AbsorbOptions absorb;
  bool no_flip = false;
};

void print_result(const CompressResult& r, const std::string& output) {
  auto change = [](int64_t before, int64_t after) { return 100.0 * static_cast<double>(after - before) / static_cast<double>(before); };
  std::printf("removed the attention of %s (%s): %s parameters (%+.1f %%), %s MACs (%+.1f %%)\n",
              r.removed.empty() ? "no layer" : format_layer_list(r.removed).c_str(), r.reason.c_str(), millions(r.compressed_params).c_str(),
              change(r.dense_params, r.compressed_params), billions(r.compressed_macs).c_str(), change(r.dense_macs, r.compressed_macs));
  if (r.dense && r.compressed && r.paired) {
    std::printf("top-1 %s -> %s on %lld images; paired difference %+.1f points (95 %% interval %+.1f to %+.1f, McNemar p = %.2g)\n",
                percent(r.dense->top1).c_str(), percent(r.compressed->top1).c_str(), static_cast<long long>(r.compressed->images),
                100 * r.paired->difference, 100 * r.paired->ci95.first, 100 * r.paired->ci95.second, r.paired->mcnemar_p);
  }
  for (const ControlResult& c : r.controls) {
    std::printf("  %-12s %-12s top-1 %s, held-out KL %.4f\n", c.name.c_str(), format_layer_list(c.layers).c_str(), percent(c.eval.top1).c_str(), c.held_out_kl);
  }
  std::printf("seconds:");
  for (const auto& [phase, seconds] : r.seconds) std::printf(" %s %.1f", phase.c_str(), seconds);
  std::printf("\nwrote %s\n", output.c_str());
}

void write_result(const Flags& flags, const model::Model& compressed, const CompressResult& result) {
  model::save_model(compressed, flags.output);
  const std::string json = to_json(result);
  flags.common.write_json(json);
  write_report(flags.report, flags.output, json, flags.model.model);
  if (flags.common.speaks()) print_result(result, flags.output);
}

void run(const Flags& flags, const Context& context) {
  flags.common.apply();
  flags.analyze.check_choice();
  const auto group = join_ranks();
  check_writable(flags.output);
  if (!flags.report.empty()) check_writable(flags.report);
  const auto started = std::chrono::steady_clock::now();
  const auto model = flags.model.load(flags.common.precision);
  pipeline::CompressOptions options;
  options.analyze = flags.analyze.options(flags.common, model->num_blocks());
  options.layers = flags.analyze.named_layers(model->num_blocks()).value_or(std::vector<int>());
  options.absorb = flags.absorb;
  options.absorb.flip = !flags.no_flip;
  options.absorb.seed = flags.common.seed;
  options.absorb.batch_size = flags.common.batch_size;
  options.absorb_layers = !flags.no_absorb;
  options.analyze.te.group = options.analyze.absorbed.group = options.absorb.group = group.get();
  options.controls = flags.controls;
  options.analyze.both_criteria = options.analyze.both_criteria || flags.controls;
  options.random_controls = flags.random_controls;

  // Everything that can be wrong about the evaluation images is found out before the minutes of work.
  std::unique_ptr<data::Dataset> evaluation;
  eval::AccuracyOptions accuracy;
  accuracy.group = group.get();
  if (!flags.eval.empty()) {
    DataFlags eval_data = flags.data;
    if (!flags.eval_resize.empty()) eval_data.resize = flags.eval_resize;
    evaluation = data::open_dataset(flags.eval, eval_data.dataset());
    accuracy.preprocess = eval_data.preprocess(model->spec(), flags.model.model);
    accuracy.batch_size = flags.common.batch_size;
    accuracy.threads = flags.common.threads;
    accuracy.max_corrupt = flags.data.max_corrupt;
  }
  DataFlags calib_data = flags.data;
  calib_data.classes.clear();  // calibration uses no labels
  const data::ImageBatch images = flags.analyze.load(flags.common, calib_data, model->spec(), flags.model.model);
  const double loading = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  pipeline::Compressed compressed = pipeline::compress(*model, images, evaluation.get(), accuracy, options);
  CompressResult& result = compressed.result;
  result.seconds.insert(result.seconds.begin(), {"load", loading});
  result.manifest = manifest_of(context, flags.common, images.fingerprint);
  result.model = flags.model.model;
  result.output = flags.output;
  on_main_rank(*group, [&] { write_result(flags, *compressed.model, result); });
}

}  // namespace

void add_compress(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("compress", "remove attention layers, let the MLPs take their work over, write a smaller checkpoint");
  flags->model.add_to(*command);
  flags->analyze.add_to(*command);
  flags->analyze.add_choice_to(*command);
  command->add_option("--eval", flags->eval, "labelled images on which both models are evaluated");
  command->add_option("--eval-resize", flags->eval_resize, "short side for the evaluation images, or none; default: as for calibration");
  command->add_option("-o,--output", flags->output, "the compressed checkpoint (.safetensors)")->required();
  command->add_option("--report", flags->report, "write a page that shows what was done");
  command->add_flag("--no-absorb", flags->no_absorb, "only cut, refit nothing");
  command->add_flag("--controls", flags->controls, "treat random, first, last and least-norm sets alike and evaluate them too");
  command->add_option("--random-controls", flags->random_controls, "random sets among the controls")->check(CLI::Range(0, 100))->capture_default_str();
  absorb::AbsorbOptions& absorb = flags->absorb;
  command->add_option("--epochs", absorb.epochs, "gradient epochs a block after the closed form")->check(CLI::Range(0, 1000))->capture_default_str();
  command->add_option("--learning-rate", absorb.learning_rate, "of these epochs")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--ridge", absorb.ridge, "strength of the closed form's pull towards the old weights")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--cls-weight", absorb.cls_weight, "weight of the CLS token against a patch token")->check(CLI::PositiveNumber)->capture_default_str();
  command->add_option("--fit-patches", absorb.fit_patches, "patch tokens drawn a step")->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--fit-batch", absorb.fit_batch, "images a step")->check(CLI::Range(1, 4096))->capture_default_str();
  command->add_option("--held-out", absorb.held_out, "share of the calibration images kept out of the fit")->check(CLI::Range(0.01, 0.5))->capture_default_str();
  command->add_flag("--no-flip", flags->no_flip, "do not fit on the mirrored images too");
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context] { context.run = [flags, &context] { run(*flags, context); }; });
}

}  // namespace vitrim::app
