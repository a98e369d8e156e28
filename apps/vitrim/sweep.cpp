// vitrim sweep: compress for every number of removed layers and every target of channel pruning, and the front of accuracy against multiply-adds.

#include "vitrim/pipeline/sweep.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "analyze_flags.h"
#include "compress_flags.h"
#include "ranks.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"
#include "vitrim/report/report.h"

namespace vitrim::app {

namespace {

struct Flags {
  CommonFlags common;
  ModelFlags model;
  DataFlags data;
  AnalyzeFlags analyze;
  EvaluationFlags evaluation;
  AbsorbFlags absorb;
  PruneFlags prune;
  std::vector<std::string> remove{"0"}, attention_macs, target_macs;
  std::string folder, dtype = "same";
};

std::vector<pipeline::SweepPoint> points_of(const Flags& flags, int blocks) {
  std::vector<int> removed;
  for (const std::string& text : flags.remove) {
    try {
      removed.push_back(parse_layer_count(text, blocks));
    } catch (const std::invalid_argument& error) {
      throw Error(std::string("--remove: ") + error.what());
    }
  }
  const bool attention = !flags.attention_macs.empty();
  std::vector<std::string> targets = attention ? flags.attention_macs : flags.target_macs;
  if (targets.empty()) targets = {"100%"};
  try {
    return pipeline::sweep_points(removed, targets);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

// Everything that a model of the sweep depends on but its own two figures: what is in the folder belongs to the sweep where this is the same.
std::string settings_of(const CLI::App& command, const std::string& model, const std::string& fingerprint) {
  std::string out = "vitrim sweep " + model + "\n";
  const std::vector<std::string> free = {"MODEL", "remove", "attention-macs", "target-macs", "output", "threads", "quiet", "json"};
  for (const CLI::Option* option : command.get_options()) {
    const std::string& name = option->get_single_name();
    if (option->count() == 0 || std::find(free.begin(), free.end(), name) != free.end()) continue;
    out += "--" + name;
    for (const std::string& value : option->results()) out += " " + value;
    out += "\n";
  }
  return out + "images: " + fingerprint + "\n";
}

// Places of the sweep's files.
class Folder {
 public:
  Folder(std::string path, bool attention_only) : path_(std::move(path)), attention_only_(attention_only) {}
  std::string file(const std::string& name) const { return (std::filesystem::path(path_) / name).string(); }
  std::string json(const pipeline::SweepPoint& point) const { return file(pipeline::name_of(point, attention_only_) + ".json"); }
  std::string checkpoint(const pipeline::SweepPoint& point) const { return file(pipeline::name_of(point, attention_only_) + ".safetensors"); }
  std::string page() const { return file("front.html"); }

  void make() const {
    std::error_code error;
    std::filesystem::create_directories(path_, error);
    if (error) throw Error(path_ + ": can't be made a folder (" + error.message() + "); name one with -o");
    check_writable(page());
  }
  // Refuses a folder with another sweep's results.
  void claim(const std::string& settings) const {
    const std::string name = file("settings.txt");
    if (!std::filesystem::exists(name)) return write_text_file(name, settings);
    const std::string there = read_text_file(name);
    if (there == settings) return;
    std::istringstream old_lines(there), new_lines(settings);
    std::string before, now;
    while (before == now && std::getline(old_lines, before)) {
      if (!std::getline(new_lines, now)) now = "nothing";
    }
    throw Error(name + ": the results there were made with other settings ('" + before + "', now '" + now + "'); name another folder with -o, or use the same settings");
  }

 private:
  std::string path_;
  bool attention_only_;
};

using Results = std::vector<std::pair<std::string, CompressResult>>;

// What the folder holds of `points`, in their order.
Results read_results(const Folder& folder, const std::vector<pipeline::SweepPoint>& points) {
  Results out;
  for (const auto& point : points) {
    const std::string file = folder.json(point);
    if (std::filesystem::exists(file)) out.emplace_back(file, compress_result_from_json(read_text_file(file), file));
  }
  return out;
}

void draw(const Folder& folder, const Results& results, const std::string& model) {
  std::vector<report::Document> documents;
  for (const auto& [file, result] : results) documents.push_back({file, to_json(result)});
  write_text_file(folder.page(), report::render(documents, "vitrim sweep: " + std::filesystem::path(model).filename().string()));
}

std::string summary(const Folder& folder, const Results& results) {
  nlohmann::ordered_json models = nlohmann::ordered_json::array();
  for (const auto& [file, r] : results) {
    nlohmann::ordered_json row{{"result", file}, {"output", r.output}, {"removed", r.removed}, {"params", r.compressed_params}, {"macs", r.compressed_macs}, {"held_out_kl", r.held_out_kl}};
    if (r.compressed && r.paired) {
      row["accuracy"] = r.compressed->headline();
      row["accuracy_ci95"] = {r.compressed->headline_ci95().first, r.compressed->headline_ci95().second};
      row["difference"] = r.paired->difference;
      row["difference_ci95"] = {r.paired->ci95.first, r.paired->ci95.second};
    }
    models.push_back(std::move(row));
  }
  return nlohmann::ordered_json{{"page", folder.page()}, {"models", models}}.dump(1);
}

void print_front(const Folder& folder, const Results& results) {
  if (results.empty()) return;
  const CompressResult& first = results.front().second;
  std::printf("dense: %s MACs", billions(first.dense_macs).c_str());
  if (first.dense) std::printf(", %s %s on %lld images", first.dense->headline_name(), percent(first.dense->headline()).c_str(), static_cast<long long>(first.dense->images));
  std::printf("\n");
  for (const auto& [file, r] : results) {
    std::printf("%s: %s parameters, %s MACs (%s), held-out KL %.4f", file.c_str(), millions(r.compressed_params).c_str(), billions(r.compressed_macs).c_str(),
                percent(static_cast<double>(r.compressed_macs) / static_cast<double>(r.dense_macs)).c_str(), r.held_out_kl);
    if (r.compressed && r.paired) std::printf("; %s %s, %s", r.compressed->headline_name(), percent(r.compressed->headline()).c_str(), difference_text(*r.paired).c_str());
    std::printf("\n");
  }
  std::printf("wrote %s\n", folder.page().c_str());
}

void run(Flags flags, const Context& context, const CLI::App& command) {
  flags.common.apply();
  // The targets are the sweep's own lists; PruneFlags sees whether there are any.
  flags.prune.attention_macs = flags.attention_macs.empty() ? "" : "100%";
  flags.prune.target_macs = flags.target_macs.empty() ? "" : "100%";
  flags.absorb.refuse_idle(command);
  flags.prune.refuse_idle(command);
  const auto group = join_ranks();
  const auto model = flags.model.load(flags.common.precision);
  const std::vector<pipeline::SweepPoint> points = points_of(flags, model->num_blocks());
  pipeline::CompressOptions options;
  options.analyze = flags.analyze.options(flags.common, model->num_blocks());
  options.absorb = flags.absorb.options(flags.common);
  options.absorb_layers = !flags.absorb.none;
  options.prune = flags.prune.options(flags.common);
  if (options.prune.masked()) throw UsageError("sweep writes models that were cut; heads of unequal widths can only be compared, by prune --few-shot");
  for (const auto& point : points) {
    try {
      pipeline::check_compress(model->spec(), pipeline::options_of(point, options));
    } catch (const std::invalid_argument& error) {
      throw Error(std::string(error.what()) + " (" + pipeline::name_of(point, options.prune.attention_only) + ")");
    }
  }
  options.analyze.te.group = options.analyze.absorbed.group = options.absorb.group = options.prune.group = group.get();

  eval::AccuracyOptions accuracy;
  accuracy.group = group.get();
  const auto evaluation = flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  const Folder folder(flags.folder, options.prune.attention_only);
  const data::ImageBatch images = load_unlabelled(flags.analyze.calib, flags.analyze.images, flags.common, flags.data, model->spec(), flags.model.model);
  on_main_rank(*group, [&] {
    folder.make();
    folder.claim(settings_of(command, flags.model.model, images.fingerprint));
  });
  std::vector<pipeline::SweepPoint> missing;
  for (const auto& point : points) {
    if (!std::filesystem::exists(folder.json(point))) missing.push_back(point);
  }
  if (missing.size() < points.size()) log_info(std::to_string(points.size() - missing.size()) + " of " + std::to_string(points.size()) + " models are there already");
  const OutputFlags output{"", "", flags.dtype};
  pipeline::sweep(*model, images, evaluation.get(), accuracy, options, missing, [&](const pipeline::SweepPoint& point, pipeline::Compressed made) {
    CompressResult& result = made.result;
    result.manifest = manifest_of(context, flags.common, images.fingerprint);
    result.model = flags.model.model;
    result.output = folder.checkpoint(point);
    on_main_rank(*group, [&] {
      save_compressed(*made.model, result, output);
      write_text_file(folder.json(point), to_json(result));
      draw(folder, read_results(folder, points), flags.model.model);
    });
  });
  on_main_rank(*group, [&] {
    const Results results = read_results(folder, points);
    draw(folder, results, flags.model.model);
    flags.common.write_json(summary(folder, results));
    if (flags.common.speaks()) print_front(folder, results);
  });
}

}  // namespace

void add_sweep(CLI::App& app, Context& context) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("sweep", "compress by several amounts and draw the front of accuracy against multiply-adds");
  flags->model.add_to(*command);
  flags->analyze.add_to(*command);
  command->add_option("--remove", flags->remove, "how many attention layers to remove, each in turn: 0,1,3 or 0,10%,25%")->delimiter(',')->allow_extra_args(false)->capture_default_str();
  flags->evaluation.add_to(*command);
  command->add_option("-o,--output", flags->folder, "folder of the checkpoints, their results (.json) and the page (front.html); what is there already is kept")->required();
  command->add_option("--save-dtype", flags->dtype, "f32, f16, bf16, or same: as the model that was read")->check(CLI::IsMember({"same", "f32", "f16", "bf16"}))->capture_default_str();
  flags->absorb.add_to(*command);
  flags->prune.add_to(*command, /*swept=*/true);
  auto* whole = command->add_option("--target-macs", flags->target_macs, "multiply-adds of the whole model that channels are pruned to (behind a removal: of what it left), each in turn: 100%,80%,1G")
                    ->delimiter(',')
                    ->allow_extra_args(false);
  command->add_option("--attention-macs", flags->attention_macs, "multiply-adds of the attention layers (that are left) that channels are pruned to, each in turn: 100%,80%,65%")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->excludes(whole);
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context, command] { context.run = [flags, &context, command] { run(*flags, context, *command); }; });
}

}  // namespace vitrim::app
