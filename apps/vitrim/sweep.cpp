// vitrim sweep: runs compress for every number of removed layers and every target of channel pruning, and
// shows the Pareto front of accuracy against multiply-adds.

#include "vitrim/pipeline/sweep.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <sstream>
#include <tuple>

#include "compress_flags.h"
#include "core/json.h"
#include "flag_rules.h"
#include "ranks.h"
#include "vitrim/bench/bench.h"
#include "vitrim/core/artifact_json.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/error.h"
#include "vitrim/core/layer_list.h"
#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/report/report.h"

namespace vitrim::app {

namespace {

struct SweepFlags : CompressionFlags {
  std::vector<std::string> remove{"0"}, attention_macs, target_macs;
  std::string folder, dtype = "same", peers;
  std::vector<int64_t> time;
  QuantizeFlag quantize;
};

std::vector<pipeline::SweepPoint> points_of(const SweepFlags& flags, int blocks) {
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
    return pipeline::sweep_points(removed, targets, flags.quantize.wanted);
  } catch (const std::invalid_argument& error) {
    throw UsageError(error.what());
  }
}

std::string fingerprint_of(const model::Model& model) {
  std::string out;
  for (const auto& [name, tensor] : model.parameters().entries()) {
    const at::Tensor plain = tensor.detach().cpu().contiguous();
    out += name + sha256_hex({static_cast<const char*>(plain.const_data_ptr()),
                              static_cast<size_t>(plain.nbytes())});
  }
  return sha256_hex(out);
}

// Everything that a model of the sweep depends on, except its number of layers and its target. Results in the
// folder belong to this sweep if it is equal.
std::string settings_of(const CLI::App& command, const SweepFlags& flags, const model::Model& model,
                        const data::ImageBatch& images, const data::Dataset* evaluation) {
  std::string out = "vitrim sweep " + flags.model.model + ", weights " + fingerprint_of(model) + "\n";
  const std::vector<std::string> free = {"MODEL",  "remove",  "attention-macs", "target-macs",
                                         "output", "threads", "quiet",          "json",
                                         "time",   "peers",   "recipe",         "set"};
  for (const CLI::Option* option : command.get_options()) {
    const std::string& name = option->get_single_name();
    if (option->count() == 0 || std::find(free.begin(), free.end(), name) != free.end()) continue;
    out += "--" + name;
    for (const std::string& value : option->results()) out += " " + value;
    out += "\n";
  }
  for (const auto& [key, value] : flags.settings.changed()) out += key + " = " + value + "\n";
  out += "calibration images: " + images.fingerprint + "\n";
  return out + "evaluation images: " + (evaluation ? evaluation->fingerprint() : "none") + "\n";
}

// A result in the folder.
struct Stored {
  std::string file, json;
  CompressResult result;
};
using Results = std::vector<Stored>;

// The files of the sweep.
class Folder {
 public:
  Folder(std::string path, bool attention_only) : path_(std::move(path)), attention_only_(attention_only) {
    if (std::filesystem::exists(path_) && !std::filesystem::is_directory(path_))
      throw Error(path_ + " is not a folder; name one with -o");
  }
  std::string json(const pipeline::SweepPoint& point) const {
    return file(pipeline::name_of(point, attention_only_) + ".json");
  }
  std::string checkpoint(const pipeline::SweepPoint& point) const {
    return file(pipeline::name_of(point, attention_only_) + ".safetensors");
  }
  std::string page() const { return file("front.html"); }
  /// The speeds of the last --time.
  std::string times() const { return file("bench.json"); }

  void make() const {
    std::error_code error;
    std::filesystem::create_directories(path_, error);
    if (error)
      throw Error(path_ + ": can't be made a folder (" + error.message() + "); name another one with -o");
    check_writable(page());
  }
  /// Throws if the `results` in the folder were made with other settings.
  void claim(const Results& results, const std::string& settings) const {
    const std::string name = file("settings.txt");
    if (results.empty()) return write_text_file(name, settings);
    if (!std::filesystem::exists(name))
      throw Error(path_ +
                  " contains results but no settings.txt, which states how they were made; name another "
                  "folder with -o");
    const std::string there = read_text_file(name);
    if (there == settings) return;
    std::istringstream old_lines(there), new_lines(settings);
    std::string before, now;
    while (before == now && std::getline(old_lines, before)) {
      if (!std::getline(new_lines, now)) now = "nothing";
    }
    throw Error(name + ": the results there were made with other settings ('" + before + "', now '" + now +
                "'); name another folder with -o, or use the same settings");
  }
  /// All results with their checkpoints, least compressed first. Throws FormatError if one can't be read.
  Results results() const {
    Results out;
    if (!std::filesystem::is_directory(path_)) return out;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      const std::filesystem::path& name = entry.path();
      if (!name.filename().string().starts_with("removed_") || name.extension() != ".json") continue;
      if (!std::filesystem::exists(std::filesystem::path(name).replace_extension(".safetensors"))) continue;
      std::string json = read_text_file(name.string());
      CompressResult result = compress_result_from_json(json, name.string());
      out.push_back({name.string(), std::move(json), std::move(result)});
    }
    std::sort(out.begin(), out.end(), [](const Stored& a, const Stored& b) {
      const auto key = [](const Stored& stored) {
        return std::make_tuple(stored.result.removed.size(), -stored.result.compressed_macs,
                               std::cref(stored.file));
      };
      return key(a) < key(b);
    });
    return out;
  }
  /// `peers`: a file of other programs' results; empty: none.
  void draw(const Results& results, const std::string& model, const std::string& peers) const {
    std::vector<report::Document> documents;
    for (const Stored& stored : results) documents.push_back({stored.file, stored.json});
    if (std::filesystem::exists(times())) documents.push_back({times(), read_text_file(times())});
    if (!peers.empty()) documents.push_back({peers, read_text_file(peers)});
    write_text_file(page(), report::render(documents, "vitrim sweep: " +
                                                          std::filesystem::path(model).filename().string()));
  }

 private:
  std::string file(const std::string& name) const { return (std::filesystem::path(path_) / name).string(); }
  std::string path_;
  bool attention_only_;
};

// Whether a result states how far its model is from the dense one; without a fit there are no held-out images
// to measure it.
bool judged(const CompressResult& result) {
  return result.held_out_kl != 0 || result.held_out_agreement != 0;
}

std::string summary(const Folder& folder, const Results& results) {
  json::Json models = json::Json::array();
  for (const auto& [file, json, r] : results) {
    json::Json row{{"result", file},
                   {"output", r.output},
                   {"removed", r.removed},
                   {"params", r.compressed_params},
                   {"macs", r.compressed_macs}};
    if (judged(r)) row["held_out_kl"] = r.held_out_kl;
    if (r.compressed && r.paired) {
      row["accuracy"] = r.compressed->headline();
      row["accuracy_ci95"] = {r.compressed->headline_ci95().first, r.compressed->headline_ci95().second};
      row["difference"] = r.paired->difference;
      row["difference_ci95"] = {r.paired->ci95.first, r.paired->ci95.second};
    }
    models.push_back(std::move(row));
  }
  return json::dump(json::Json{{"page", folder.page()}, {"models", models}}, 1);
}

void print_front(const Folder& folder, const Results& results) {
  if (results.empty()) return;
  const CompressResult& first = results.front().result;
  tell("dense: %s MACs", billions(first.dense_macs).c_str());
  if (first.dense)
    tell(", %s %s on %lld images", first.dense->headline_name(), percent(first.dense->headline()).c_str(),
         static_cast<long long>(first.dense->images));
  tell("\n");
  for (const auto& [file, json, r] : results) {
    tell("%s: %s parameters, %s MACs (%s)", file.c_str(), millions(r.compressed_params).c_str(),
         billions(r.compressed_macs).c_str(),
         percent(static_cast<double>(r.compressed_macs) / static_cast<double>(r.dense_macs)).c_str());
    if (judged(r)) tell(", held-out KL %.4f", r.held_out_kl);
    if (r.compressed && r.paired)
      tell("; %s %s, %s", r.compressed->headline_name(), percent(r.compressed->headline()).c_str(),
           difference_text(*r.paired).c_str());
    tell("\n");
  }
  tell("wrote %s\n", folder.page().c_str());
}

// Checks the rules again, now that it is known what is removed and pruned.
void check_points(const CLI::App& command, const std::vector<pipeline::SweepPoint>& points) {
  const auto any = [&](auto&& holds) { return std::any_of(points.begin(), points.end(), holds); };
  AskedFlags asked(command);
  asked.removes = any([](const auto& point) { return point.removed > 0; });
  asked.prunes = any([](const auto& point) { return !point.target.empty(); });
  check_flags(command, asked);
}

// The dense model and all models of the sweep, interleaved on the CPU engine.
BenchResult time_models(const SweepFlags& flags, const model::Model& dense, const Results& results) {
  const auto entry = [&](const std::string& file, std::shared_ptr<model::Model> loaded) {
    return bench::Entry{std::filesystem::path(file).filename().string() + ", native", std::move(loaded),
                        /*native=*/true, runtime::parse_precision(flags.common.precision)};
  };
  std::vector<bench::Entry> entries = {entry(flags.model.model, dense.clone())};
  for (const Stored& stored : results)
    entries.push_back(entry(stored.result.output, model::load_model(stored.result.output)));
  bench::BenchOptions options;
  options.batches = flags.time;
  options.threads = flags.common.threads > 0 ? flags.common.threads : at::get_num_threads();
  options.seed = flags.common.seed;
  return bench::run(entries, options);
}

void run(const SweepFlags& flags, const Context& context, const CLI::App& command) {
  const std::string& json = flags.common.json;
  if (!json.empty() && json != "-" &&
      std::filesystem::weakly_canonical(json).parent_path() ==
          std::filesystem::weakly_canonical(std::filesystem::path(flags.folder) / "x").parent_path()) {
    throw UsageError("--json " + json +
                     ": the folder of -o holds the sweep's own results; write the summary elsewhere");
  }
  flags.common.apply();
  flags.settings.apply();
  const auto group = join_ranks(context);
  const auto model = flags.model.load(flags.common.precision);
  require_float_weights(model->spec(), "compression");
  const std::vector<pipeline::SweepPoint> points = points_of(flags, model->num_blocks());
  check_points(command, points);
  if (!flags.time.empty()) {
    if (group->size() > 1) throw Error("--time runs in one process; start it without torchrun");
    if (const std::string reason = runtime::why_not(model->spec()); !reason.empty())
      throw Error("--time: " + reason);
  }
  if (!flags.peers.empty()) peer_results_from_json(read_text_file(flags.peers), flags.peers);
  pipeline::CompressOptions options = flags.options(model->num_blocks(), *group);
  options.prune.attention_only = !flags.attention_macs.empty();
  pipeline::check_sweep(model->spec(), options, points);

  eval::AccuracyOptions accuracy;
  accuracy.group = group.get();
  const auto evaluation =
      flags.evaluation.open(flags.common, flags.data, *model, flags.model.model, accuracy);
  const Folder folder(flags.folder, options.prune.attention_only);
  const data::ImageBatch images = load_unlabelled(flags.analyze.calib, flags.analyze.images, flags.common,
                                                  flags.data, model->spec(), flags.model.model);
  for (const auto& point : points) {
    if (!point.dense()) pipeline::check_images(images.size(), pipeline::options_of(point, options));
  }
  const at::Tensor there = at::zeros({static_cast<int64_t>(points.size())}, at::kLong);
  on_main_rank(*group, [&] {
    folder.make();
    const Results results = folder.results();
    folder.claim(results, settings_of(command, flags, *model, images, evaluation.get()));
    for (size_t i = 0; i < points.size(); ++i) {
      const bool found = std::any_of(results.begin(), results.end(), [&](const Stored& stored) {
        return stored.file == folder.json(points[i]);
      });
      there[static_cast<int64_t>(i)] = static_cast<int64_t>(found);
    }
  });
  group->broadcast(there);  // all ranks must see the folder in the same state
  std::vector<pipeline::SweepPoint> missing;
  for (size_t i = 0; i < points.size(); ++i) {
    if (there[static_cast<int64_t>(i)].item<int64_t>() == 0) missing.push_back(points[i]);
  }
  if (missing.size() < points.size())
    log_info(std::to_string(points.size() - missing.size()) + " of " + std::to_string(points.size()) +
             " models exist already");
  const OutputFlags output{"", "", flags.dtype, flags.model.weights};
  if (flags.quantize.wanted && group->size() > 1)
    throw Error(
        "--quantize runs in one process; start it without torchrun, or run vitrim quantize afterwards");
  pipeline::sweep(*model, images, evaluation.get(), accuracy, options, missing,
                  [&](const pipeline::SweepPoint& point, pipeline::Compressed made) {
                    CompressResult& result = made.result;
                    flags.quantize.apply(flags.common, *model, made, images, options.absorb, evaluation.get(),
                                         accuracy);
                    result.manifest = manifest_of(context, flags.common, images.fingerprint);
                    result.manifest.settings = flags.settings.changed();
                    result.model = flags.model.model;
                    result.output = folder.checkpoint(point);
                    on_main_rank(*group, [&] {
                      OutputSet files;
                      save_compressed(*made.model, result, output);
                      write_text_file(folder.json(point), to_json(result));
                      files.commit();
                      folder.draw(folder.results(), flags.model.model, flags.peers);
                    });
                  });
  on_main_rank(*group, [&] {
    const Results results = folder.results();
    if (!flags.time.empty()) {
      BenchResult timed = time_models(flags, *model, results);
      timed.manifest = manifest_of(context, flags.common, images.fingerprint);
      write_text_file(folder.times(), to_json(timed));
    }
    // Otherwise the page was written after the last model.
    if (missing.empty() || !flags.time.empty()) folder.draw(results, flags.model.model, flags.peers);
    flags.common.write_json(summary(folder, results));
    if (flags.common.speaks()) print_front(folder, results);
  });
}

}  // namespace

void add_sweep(CLI::App& app, Context& context) {
  auto flags = std::make_shared<SweepFlags>();
  CLI::App* command = app.add_subcommand(
      "sweep", "compress by several amounts and draw the Pareto front of accuracy against multiply-adds");
  flags->model.add_to(*command);
  flags->analyze.add_to(*command);
  command
      ->add_option("--remove", flags->remove,
                   "numbers or shares of attention layers to remove, each in turn: 0,1,3 or 0,10%,25%")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("0");
  flags->evaluation.add_to(*command);
  command
      ->add_option("-o,--output", flags->folder,
                   "folder for the checkpoints, their results (.json) and the page of all results "
                   "(front.html); results that it already holds are kept")
      ->required();
  command
      ->add_option("--save-dtype", flags->dtype,
                   "data type of the written weights: f32, f16, bf16, or same as the model that was read")
      ->check(CLI::IsMember({"same", "f32", "f16", "bf16"}))
      ->capture_default_str();
  command
      ->add_option(
          "--time", flags->time,
          "batch sizes at which the dense model and all models of the sweep are timed, interleaved, on the "
          "CPU engine, for the page's chart of accuracy against speed (times: bench.json in the folder)")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->allow_extra_args(false);
  command->add_option("--peers", flags->peers,
                      "JSON file with the speed and accuracy of other programs' models for the page's chart "
                      "of accuracy against speed");
  flags->quantize.add_to(*command);
  flags->absorb.add_to(*command);
  flags->prune.add_to(*command, /*swept=*/true);
  flags->settings.add_to(
      *command, {fit_keys(flags->absorb.values), channel_keys(flags->prune.values), flags->analyze.keys()});
  command
      ->add_option("--target-macs", flags->target_macs,
                   "multiply-adds of the whole model to which channels are pruned, each in turn: 100%,80% "
                   "(after a removal, of the smaller model) or 1G")
      ->delimiter(',')
      ->allow_extra_args(false);
  command
      ->add_option("--attention-macs", flags->attention_macs,
                   "multiply-adds of all remaining attention layers to which their channels are pruned, each "
                   "in turn: 100%,80%,65%; not together with --target-macs")
      ->delimiter(',')
      ->allow_extra_args(false);
  flags->data.add_to(*command);
  flags->common.add_to(*command);
  command->callback([flags, &context, command] {
    context.run = [flags, &context, command] { run(*flags, context, *command); };
  });
}

}  // namespace vitrim::app
