#include "train/run_state.h"

#include <sstream>

#include "core/json.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::train {

namespace {

constexpr const char* kKey = "vitrim.training";
constexpr int64_t kVersion = 1;

struct Part {
  const char* prefix;
  checkpoint::StateDict RunState::* tensors;
};
constexpr Part kParts[] = {{"model.", &RunState::weights},       {"ema.", &RunState::ema},
                           {"best.", &RunState::best},           {"adamw.first.", &RunState::first},
                           {"adamw.second.", &RunState::second}, {"adamw.steps.", &RunState::steps}};

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

void save_run_state(const RunState& state, const std::string& path) {
  checkpoint::StateDict file;
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
  file.metadata[kKey] = json::dump(meta, -1);
  checkpoint::save_safetensors(file, path);
}

namespace {

RunState read_position(const checkpoint::StateDict& file, const std::string& path) {
  const auto found = file.metadata.find(kKey);
  if (found == file.metadata.end())
    throw FormatError(path, "",
                      "this is no training state (a model cannot be resumed, only trained on: --init)");
  RunState state;
  const std::string source = path + ": metadata " + kKey;
  const json::Json meta = json::parse(found->second, source);
  json::Object object(meta, json::Place{&source, ""});
  json::check_document(object, "training_state", kVersion);
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
  object.finish();
  return state;
}

}  // namespace

// The file is only mapped: what is not looked at is not read.
RunState load_run_position(const std::string& path) {
  return read_position(checkpoint::load_safetensors(path), path);
}

RunState load_run_state(const std::string& path) {
  const checkpoint::StateDict file = checkpoint::load_safetensors(path);
  RunState state = read_position(file, path);
  for (const auto& [name, tensor] : file.entries()) {
    for (const Part& part : kParts) {
      // The file stays mapped; training writes in place, so every tensor gets its own memory.
      if (name.rfind(part.prefix, 0) == 0)
        (state.*part.tensors).add(name.substr(std::string(part.prefix).size()), tensor.clone());
    }
  }
  return state;
}

void check_same_run(const RunState& state, const std::string& path, const std::string& recipe,
                    const std::string& identity) {
  const std::string mend = "; repeat the command as it was, or start anew without --resume";
  const std::vector<std::string> then = lines(state.recipe), now = lines(recipe);
  for (size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
    const std::string a = i < then.size() ? then[i] : "nothing", b = i < now.size() ? now[i] : "nothing";
    if (a != b)
      throw Error(path + ": this run had the recipe's \"" + a + "\" where the command now says \"" + b +
                  "\"" + mend);
  }
  if (state.identity != identity) {
    throw Error(path + ": this run was about other data, weights or layers (then " + state.identity +
                "; now " + identity + ")" + mend);
  }
}

}  // namespace vitrim::train
