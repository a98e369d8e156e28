#include <cmath>

#include "core/artifact_json_parts.h"
#include "vitrim/core/error.h"
#include "vitrim/core/train_artifacts.h"

namespace vitrim {

using json::Json;
using json::Object;
using json::Place;

namespace {

constexpr int64_t kVersion = 1;

Json write_epoch(const EpochRecord& r) {
  Json json;
  json["epoch"] = r.epoch;
  json["step"] = r.step;
  json["loss"] = r.loss;
  json["learning_rate"] = r.learning_rate;
  json["lambda"] = r.lambda;
  json["images_per_second"] = r.images_per_second;
  json["memory_gib"] = r.memory_gib;
  json["top1"] = r.top1;
  json["ema_top1"] = r.ema_top1;
  json["entropy"] = {{"attention", r.attention_entropy}, {"mlp", r.mlp_entropy}};
  json["te"] = r.te;
  return json;
}

}  // namespace

namespace {

void read_epoch(Object& object, EpochRecord& r) {
  object.get("epoch", r.epoch);
  object.get("step", r.step);
  object.get("loss", r.loss);
  object.get("learning_rate", r.learning_rate);
  object.get("lambda", r.lambda);
  object.get("images_per_second", r.images_per_second);
  object.get("memory_gib", r.memory_gib);
  object.get("top1", r.top1);
  object.get("ema_top1", r.ema_top1);
  Object entropy(object.at("entropy"), object.place("entropy"));
  entropy.get("attention", r.attention_entropy);
  entropy.get("mlp", r.mlp_entropy);
  entropy.finish();
  object.get("te", r.te);
  object.finish();
}

void read_step(Object& object, StepRecord& r) {
  object.get("epoch", r.epoch);
  object.get("step", r.step);
  object.get("loss", r.loss);
  object.get("learning_rate", r.learning_rate);
  object.get("lambda", r.lambda);
  object.get("images_per_second", r.images_per_second);
  object.get("memory_gib", r.memory_gib);
  object.finish();
}

}  // namespace

void read(const Json& json, const Place& place, EpochRecord& r) {
  Object object(json, place);
  read_epoch(object, r);
}

std::string to_json_line(const EpochRecord& record) { return json::dump(write_epoch(record), -1); }

EpochRecord epoch_record_from_json(std::string_view text, const std::string& source) {
  EpochRecord record;
  read(json::parse(text, source), Place{&source, ""}, record);
  return record;
}

namespace {

Json write_head(const TrainResult& result) {
  Json json = json::document("train", kVersion);
  json["manifest"] = write_manifest(result.manifest);
  json["task"] = result.task;
  json["init"] = result.init;
  json["output"] = result.output;
  json["recipe"] = result.recipe.empty() ? Json::object() : json::parse(result.recipe, "recipe");
  json["removed"] = result.removed;
  json["reason"] = result.reason;
  return json;
}

}  // namespace

std::string log_header(const TrainResult& result) {
  Json json = write_head(result);
  json["event"] = "start";
  return json::dump(json, -1);
}

std::string to_json(const TrainResult& result) {
  Json json = write_head(result);
  json["epochs"] = Json::array();
  for (const EpochRecord& record : result.epochs) json["epochs"].push_back(write_epoch(record));
  json["chosen_epoch"] = result.chosen_epoch;
  json["seconds"] = result.seconds;
  if (result.dense) json["dense"] = write_eval(*result.dense);
  if (result.evaluation) json["evaluation"] = write_eval(*result.evaluation);
  if (result.paired) json["paired"] = write_paired(*result.paired);
  return json::dump(json, 1) + "\n";
}

namespace {

void read_head(Object& object, TrainResult& result) {
  json::check_document(object, "train", kVersion);
  object.get("manifest", result.manifest);
  object.get("task", result.task);
  object.get("init", result.init);
  object.get("output", result.output);
  result.recipe = json::dump(object.at("recipe"), -1);
  object.get("removed", result.removed);
  object.get("reason", result.reason);
}

/// The text before the next line end, which is taken off `rest`; `ended` says whether there was one.
std::string_view next_line(std::string_view& rest, bool& ended) {
  const size_t end = rest.find('\n');
  ended = end != std::string_view::npos;
  std::string_view line = rest.substr(0, end);
  rest = ended ? rest.substr(end + 1) : std::string_view();
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_json(std::string_view text) { return Json::accept(text); }

/// Lines from `step` on were written before a kill and are told again.
template <typename T>
void forget_from(std::vector<T>& records, int64_t step) {
  while (!records.empty() && records.back().step >= step) records.pop_back();
}

}  // namespace

bool is_train_log(std::string_view text) {
  bool ended = false;
  const std::string_view line = next_line(text, ended);
  if (!line.starts_with('{')) return false;
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("event");
}

TrainResult train_result_from_log(std::string_view lines, const std::string& source) {
  if (lines.empty()) throw FormatError(source, "", "the log is empty");
  TrainResult result;
  bool ended = true;
  for (int64_t number = 1; !lines.empty(); ++number) {
    const std::string_view line = next_line(lines, ended);
    if (number > 1 && (line.empty() || (!ended && !is_json(line)))) continue;
    const std::string here = source + ": line " + std::to_string(number);
    const Json json = json::parse(line, here);
    Object object(json, Place{&here, ""});
    std::string event;
    object.get("event", event);
    if (number == 1) {
      if (event != "start") object.place("event").fail("is '" + event + "', and a log begins with 'start'");
      read_head(object, result);
      object.finish();
    } else if (event == "step") {
      StepRecord record;
      read_step(object, record);
      forget_from(result.steps, record.step);
      forget_from(result.epochs, record.step);
      result.steps.push_back(record);
    } else if (event == "epoch") {
      EpochRecord record;
      read_epoch(object, record);
      // Its own last step was told before it.
      forget_from(result.steps, record.step + 1);
      forget_from(result.epochs, record.step);
      result.epochs.push_back(std::move(record));
    } else if (event == "start") {
      object.place("event").fail("a second run begins; give every log as a file of its own");
    } else {
      object.place("event").fail("'" + event + "' is none of start, step and epoch");
    }
  }
  return result;
}

TrainResult train_result_from_json(std::string_view text, const std::string& source) {
  const Json json = json::parse(text, source);
  Object object(json, Place{&source, ""});
  TrainResult result;
  read_head(object, result);
  object.get("epochs", result.epochs);
  object.get("chosen_epoch", result.chosen_epoch);
  object.get("seconds", result.seconds);
  if (object.has("dense")) object.get("dense", result.dense.emplace());
  if (object.has("evaluation")) object.get("evaluation", result.evaluation.emplace());
  if (object.has("paired")) object.get("paired", result.paired.emplace());
  object.finish();
  return result;
}

}  // namespace vitrim
