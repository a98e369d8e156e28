#include "vitrim/core/artifact_json.h"

#include <algorithm>

#include "core/artifact_json_parts.h"

namespace vitrim {

using json::Json;
using json::Object;
using json::Place;

namespace {

constexpr int kIndent = 1;
constexpr int64_t kPlanVersion = 1;
constexpr int64_t kEvalVersion = 1;

// One character per image: a list of numbers would take three times the room and a line each.
std::string correct_text(const std::vector<uint8_t>& correct) {
  std::string text(correct.size(), '0');
  for (size_t i = 0; i < correct.size(); ++i) {
    if (correct[i]) text[i] = '1';
  }
  return text;
}

}  // namespace

Json write_manifest(const Manifest& manifest) {
  Json json;
  json["command"] = manifest.command;
  json["version"] = manifest.version;
  json["git_commit"] = manifest.git_commit;
  json["torch_version"] = manifest.torch_version;
  json["cpu"] = manifest.cpu;
  json["instruction_set"] = manifest.instruction_set;
  json["threads"] = manifest.threads;
  json["seed"] = manifest.seed;
  json["data_fingerprint"] = manifest.data_fingerprint;
  json["started"] = manifest.started;
  return json;
}

void read(const Json& json, const Place& place, Manifest& manifest) {
  Object object(json, place);
  object.get("command", manifest.command);
  object.get("version", manifest.version);
  object.get("git_commit", manifest.git_commit);
  object.get("torch_version", manifest.torch_version);
  object.get("cpu", manifest.cpu);
  object.get("instruction_set", manifest.instruction_set);
  object.get("threads", manifest.threads);
  object.get("seed", manifest.seed);
  object.get("data_fingerprint", manifest.data_fingerprint);
  object.get("started", manifest.started);
  object.finish();
}

Json write_eval(const EvalResult& result) {
  Json json = json::document("eval", kEvalVersion);
  json["manifest"] = write_manifest(result.manifest);
  json["model"] = result.model;
  json["data"] = result.data;
  json["images"] = result.images;
  json["params"] = result.params;
  json["macs"] = result.macs;
  json["top1"] = result.top1;
  json["top5"] = result.top5;
  json["top1_ci95"] = {result.top1_ci95.first, result.top1_ci95.second};
  json["correct"] = correct_text(result.correct);
  return json;
}

void read(const Json& json, const Place& place, EvalResult& result) {
  Object object(json, place);
  json::check_document(object, "eval", kEvalVersion);
  object.get("manifest", result.manifest);
  object.get("model", result.model);
  object.get("data", result.data);
  object.get("images", result.images);
  object.get("params", result.params);
  object.get("macs", result.macs);
  object.get("top1", result.top1);
  object.get("top5", result.top5);
  object.get("top1_ci95", result.top1_ci95);
  std::string correct;
  object.get("correct", correct);
  if (correct.find_first_not_of("01") != std::string::npos)
    object.place("correct").fail("expected only 0 and 1");
  // A result without the per-image answers is possible, one with answers for other images is not.
  if (!correct.empty() && static_cast<int64_t>(correct.size()) != result.images) {
    object.place("correct").fail("has " + std::to_string(correct.size()) + " images, \"images\" says " +
                                 std::to_string(result.images));
  }
  result.correct.resize(correct.size());
  std::transform(correct.begin(), correct.end(), result.correct.begin(),
                 [](char c) { return c == '1' ? 1 : 0; });
  object.finish();
}

Json write_paired(const PairedResult& paired) {
  Json json;
  json["difference"] = paired.difference;
  json["ci95"] = {paired.ci95.first, paired.ci95.second};
  json["mcnemar_p"] = paired.mcnemar_p;
  return json;
}

void read(const Json& json, const Place& place, PairedResult& paired) {
  Object object(json, place);
  object.get("difference", paired.difference);
  object.get("ci95", paired.ci95);
  object.get("mcnemar_p", paired.mcnemar_p);
  object.finish();
}

std::string to_json(const EvalResult& result) { return json::dump(write_eval(result), kIndent) + "\n"; }

EvalResult eval_result_from_json(std::string_view text, const std::string& source) {
  EvalResult result;
  read(json::parse(text, source), Place{&source, ""}, result);
  return result;
}

std::string to_json(const CompressionPlan& plan) {
  Json json = json::document("compression_plan", kPlanVersion);
  json["remove_attention"] = plan.remove_attention;
  json["reason"] = plan.reason;
  return json::dump(json, kIndent) + "\n";
}

CompressionPlan compression_plan_from_json(std::string_view text, const std::string& source) {
  const Json json = json::parse(text, source);
  Object object(json, Place{&source, ""});
  json::check_document(object, "compression_plan", kPlanVersion);
  CompressionPlan plan;
  object.get("remove_attention", plan.remove_attention);
  object.get("reason", plan.reason);
  object.finish();
  return plan;
}

std::string artifact_kind(std::string_view text, const std::string& source) {
  const Json json = json::parse(text, source);
  if (!json.is_object() || !json.contains("kind") || !json["kind"].is_string()) return "";
  return json["kind"].get<std::string>();
}

}  // namespace vitrim
