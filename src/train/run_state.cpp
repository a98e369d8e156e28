#include "train/run_state.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/json.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::train {

namespace {

constexpr const char* kKey = "vitrim.training";
constexpr int64_t kVersion = 2;  // version 1 had no checksum

struct Part {
  const char* prefix;
  model::StateDict RunState::* tensors;
};
constexpr Part kParts[] = {{"model.", &RunState::weights},       {"ema.", &RunState::ema},
                           {"best.", &RunState::best},           {"adamw.first.", &RunState::first},
                           {"adamw.second.", &RunState::second}, {"adamw.steps.", &RunState::steps},
                           {"toward.", &RunState::toward}};

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// The checksum over everything in the file except itself.
std::string checksum_of_state(const model::StateDict& file, json::Json meta) {
  meta.erase("checksum");
  return model::checksum_of(file, json::dump(meta, -1));
}

}  // namespace

void save_run_state(const RunState& state, const std::string& path) {
  model::StateDict file;
  for (const Part& part : kParts) {
    for (const auto& [name, tensor] : (state.*part.tensors).entries())
      file.add(part.prefix + name, tensor.detach());
  }
  json::Json meta = json::document("training_state", kVersion);
  meta["epoch"] = state.epoch;
  meta["batch"] = state.batch;
  meta["loss_sum"] = state.loss_sum;
  meta["train_seconds"] = state.train_seconds;
  meta["records"] = json::Json::array();
  for (const EpochRecord& record : state.records) meta["records"].push_back(to_json_line(record));
  meta["best_epoch"] = state.best_epoch;
  meta["finished"] = state.finished;
  meta["dilute"] = state.dilute;
  meta["log_bytes"] = state.log_bytes;
  meta["recipe"] = state.recipe;
  meta["identity"] = state.identity;
  if (!state.spec.empty()) meta["spec"] = state.spec;
  if (state.toward.size() > 0) meta["moved_at"] = state.moved_at;
  if (state.held_out.looks > 0) {
    meta["looks"] = state.held_out.looks;
    meta["fallen"] = state.held_out.fallen;
    meta["reference"] = state.held_out.reference;
  }
  meta["checksum"] = checksum_of_state(file, meta);
  file.metadata[kKey] = json::dump(meta, -1);
  checkpoint::save_safetensors(file, path);
}

namespace {

constexpr const char* kDamaged =
    "; the training state is damaged: take a copy of it, or start again without --resume";

void check_position(const RunState& state, const json::Object& object) {
  const auto need = [&](bool holds, const char* key, const std::string& what) {
    if (!holds) object.place(key).fail(what + kDamaged);
  };
  need(state.epoch >= 0, "epoch", "is negative");
  need(state.batch >= 0, "batch", "is negative");
  need(std::isfinite(state.loss_sum), "loss_sum", "is not finite");
  need(std::isfinite(state.train_seconds) && state.train_seconds >= 0, "train_seconds", "is not a duration");
  need(static_cast<int64_t>(state.records.size()) == state.epoch, "records",
       "contains " + std::to_string(state.records.size()) + " epochs, but " + std::to_string(state.epoch) +
           " are finished");
  for (size_t i = 0; i < state.records.size(); ++i)
    need(state.records[i].epoch == static_cast<int64_t>(i) + 1, "records", "are not one for each epoch");
  need(state.best_epoch >= 0 && state.best_epoch <= state.epoch, "best_epoch",
       "is " + std::to_string(state.best_epoch) + ", but " + std::to_string(state.epoch) +
           " epochs are finished");
  need(state.log_bytes >= 0, "log_bytes", "is negative");
  for (const int layer : state.dilute) need(layer >= 0, "dilute", "names a negative layer");
  need(state.moved_at >= 0 && state.moved_at <= 1, "moved_at", "is not between 0 and 1");
  const HeldOutLambda& held_out = state.held_out;
  need(held_out.looks >= 0 && held_out.looks <= HeldOutLambda::kLooks, "looks", "are out of range");
  need(held_out.fallen >= 0 && held_out.fallen <= std::min(HeldOutLambda::kSteps, held_out.looks), "fallen",
       "is not a number of steps");
  need(held_out.looks == 0 || std::isfinite(held_out.reference), "reference", "is not finite");
}

RunState read_position(const model::StateDict& file, const std::string& path, bool with_tensors) {
  const auto found = file.metadata.find(kKey);
  if (found == file.metadata.end())
    throw FormatError(path, "",
                      "this is not a training state (a model cannot be resumed, only trained on: --init)");
  RunState state;
  const std::string source = path + ": metadata " + kKey;
  const json::Json meta = json::parse(found->second, source);
  json::Object object(meta, json::Place{&source, ""});
  json::check_document(object, "training_state", kVersion);
  int64_t version = 0;
  object.get("version", version);
  std::string checksum;
  if (version > 1) object.get("checksum", checksum);
  object.get("epoch", state.epoch);
  object.get("batch", state.batch);
  object.get("loss_sum", state.loss_sum);
  object.get("train_seconds", state.train_seconds);
  std::vector<std::string> records;
  object.get("records", records);
  for (const std::string& record : records) state.records.push_back(epoch_record_from_json(record, source));
  object.get("best_epoch", state.best_epoch);
  object.get("finished", state.finished);
  object.get("dilute", state.dilute);
  object.get("log_bytes", state.log_bytes);
  object.get("recipe", state.recipe);
  object.get("identity", state.identity);
  if (object.has("spec")) object.get("spec", state.spec);
  if (object.has("moved_at")) object.get("moved_at", state.moved_at);
  if (object.has("looks")) {
    object.get("looks", state.held_out.looks);
    object.get("fallen", state.held_out.fallen);
    object.get("reference", state.held_out.reference);
  }
  object.finish();
  check_position(state, object);
  if (with_tensors && version > 1 && checksum_of_state(file, meta) != checksum)
    throw FormatError(path, "", std::string("its checksum does not match its content") + kDamaged);
  return state;
}

}  // namespace

// The file is only mapped, so parts that are not accessed are not read.
RunState load_run_position(const std::string& path) {
  return read_position(checkpoint::load_safetensors(path), path, /*with_tensors=*/false);
}

RunState load_run_state(const std::string& path) {
  const model::StateDict file = checkpoint::load_safetensors(path);
  RunState state = read_position(file, path, /*with_tensors=*/true);
  for (const auto& [name, tensor] : file.entries()) {
    bool known = false;
    for (const Part& part : kParts) {
      if (!name.starts_with(part.prefix)) continue;
      // The file stays mapped; training writes in place, so every tensor gets its own memory.
      (state.*part.tensors).add(name.substr(std::string(part.prefix).size()), tensor.clone());
      known = true;
    }
    if (!known) throw FormatError(path, name, std::string("is not a part of a training state") + kDamaged);
  }
  return state;
}

namespace {

/// Checks that all tensors of `part` are parameters of the model, of the same shape (scalars if `scalar`) and
/// float32; if `whole`, that no parameter is missing.
void check_part(const model::StateDict& part, const char* prefix, const std::string& path,
                const RunShape& run, bool whole, bool scalar = false) {
  for (const auto& [name, tensor] : part.entries()) {
    const auto fail = [&, &name = name](const std::string& what) {
      throw FormatError(path, prefix + name, what + kDamaged);
    };
    if (!run.parameters.contains(name)) fail("is not a parameter of the model");
    if (tensor.scalar_type() != at::kFloat) fail("is not float32");
    if (tensor.sizes() != (scalar ? at::IntArrayRef() : run.parameters.at(name).sizes()))
      fail("has another shape than the model's parameter");
  }
  if (!whole) return;
  for (const auto& [name, tensor] : run.parameters.entries())
    if (!part.contains(name)) throw FormatError(path, prefix + name, std::string("is missing") + kDamaged);
}

}  // namespace

void check_run_state(const RunState& state, const std::string& path, const RunShape& run) {
  const auto need = [&](bool holds, const char* key, const std::string& what) {
    if (!holds) throw FormatError(path, key, what + kDamaged);
  };
  need(state.epoch <= run.epochs, "epoch",
       "is " + std::to_string(state.epoch) + ", but the recipe has " + std::to_string(run.epochs));
  need(state.finished == (state.epoch == run.epochs), "finished", "contradicts the number of epochs");
  // All batches of an epoch may be finished before its end was recorded.
  need(state.batch <= (state.finished ? 0 : run.steps_per_epoch), "batch",
       "is " + std::to_string(state.batch) + ", but an epoch has " + std::to_string(run.steps_per_epoch));
  need(state.dilute == run.dilute, "dilute", "names other layers than the command");
  check_part(state.weights, "model.", path, run, /*whole=*/true);
  const bool began = state.epoch > 0 || state.batch > 0;
  need(run.averages || state.ema.size() == 0, "ema", "is present, but the recipe averages no weights");
  check_part(state.ema, "ema.", path, run, /*whole=*/run.averages && began);
  need(run.keeps_best || state.best.size() == 0, "best",
       "is present, but the command does not keep the best epoch");
  check_part(state.best, "best.", path, run, /*whole=*/run.keeps_best && state.best_epoch > 0);
  check_part(state.toward, "toward.", path, run, /*whole=*/false);
  check_part(state.first, "adamw.first.", path, run, /*whole=*/false);
  check_part(state.second, "adamw.second.", path, run, /*whole=*/false);
  check_part(state.steps, "adamw.steps.", path, run, /*whole=*/false, /*scalar=*/true);
  for (const auto& [name, tensor] : state.first.entries())
    need(state.second.contains(name) && state.steps.contains(name), "adamw", "lacks a part of " + name);
  need(state.first.size() == state.second.size() && state.first.size() == state.steps.size(), "adamw",
       "holds parts that do not belong together");
}

std::string first_difference(const std::string& before, const std::string& after) {
  const std::vector<std::string> then = lines(before), now = lines(after);
  for (size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
    const std::string a = i < then.size() ? then[i] : "nothing", b = i < now.size() ? now[i] : "nothing";
    if (a != b) return "\"" + a + "\", but the command now has \"" + b + "\"";
  }
  return "";
}

void check_same_run(const RunState& state, const std::string& path, const std::string& recipe,
                    const std::string& identity) {
  const std::string remedy = "; repeat the command as it was, or start again without --resume";
  const std::string difference = first_difference(state.recipe, recipe);
  if (!difference.empty()) throw Error(path + ": this run had the recipe's " + difference + remedy);
  if (state.identity != identity) {
    throw Error(path + ": this run used other data, weights or layers (then " + state.identity + "; now " +
                identity + ")" + remedy);
  }
}

}  // namespace vitrim::train
