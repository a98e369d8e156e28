#include "core/artifact_json_parts.h"
#include "core/model_spec_json.h"
#include "vitrim/core/artifact_json.h"

namespace vitrim {

using json::Json;
using json::Object;
using json::Place;

namespace {

constexpr int kIndent = 1;
constexpr int64_t kVersion = 1;

// "dense" and "compressed" are what eval writes; without labelled images only the sizes are known.
Json write_model_result(const std::optional<EvalResult>& eval, int64_t params, int64_t macs) {
  Json json = eval ? write_eval(*eval) : Json::object();
  json["params"] = params;
  json["macs"] = macs;
  return json;
}

void read_model_result(const Json& json, const Place& place, std::optional<EvalResult>& eval, int64_t& params,
                       int64_t& macs) {
  Object object(json, place);
  object.get("params", params);
  object.get("macs", macs);
  if (object.has("kind")) {
    read(json, place, eval.emplace());
  } else {
    eval.reset();
    object.finish();
  }
}

Json write_controls(const std::vector<ControlResult>& controls) {
  Json list = Json::array();
  for (const ControlResult& control : controls) {
    Json json;
    json["name"] = control.name;
    json["layers"] = control.layers;
    json["eval"] = write_eval(control.eval);
    json["paired"] = write_paired(control.paired);
    json["held_out_kl"] = control.held_out_kl;
    list.push_back(std::move(json));
  }
  return list;
}

void read_seconds(const Json& json, const Place& place,
                  std::vector<std::pair<std::string, double>>& seconds) {
  if (!json.is_object()) place.fail("expected an object");
  seconds.clear();
  for (const auto& item : json.items()) {
    double value = 0;
    read(item.value(), place.at(item.key()), value);
    seconds.emplace_back(item.key(), value);
  }
}

}  // namespace

// Found by the list reader through its argument's namespace, so it must stand outside the unnamed one.
void read(const Json& json, const Place& place, ControlResult& control);

void read(const Json& json, const Place& place, ControlResult& control) {
  Object object(json, place);
  object.get("name", control.name);
  object.get("layers", control.layers);
  object.get("eval", control.eval);
  object.get("paired", control.paired);
  object.get("held_out_kl", control.held_out_kl);
  object.finish();
}

std::string to_json(const CompressResult& result) {
  Json json = json::document("compress", kVersion);
  json["manifest"] = write_manifest(result.manifest);
  json["model"] = result.model;
  json["output"] = result.output;
  json["removed"] = result.removed;
  json["reason"] = result.reason;
  json["dense"] = write_model_result(result.dense, result.dense_params, result.dense_macs);
  json["compressed"] =
      write_model_result(result.compressed, result.compressed_params, result.compressed_macs);
  json["paired"] = result.paired ? write_paired(*result.paired) : Json();
  json["held_out_kl"] = result.held_out_kl;
  json["held_out_agreement"] = result.held_out_agreement;
  json["seconds"] = Json::object();
  // A phase that ran twice is one key: its times add up.
  for (const auto& [phase, seconds] : result.seconds) {
    json["seconds"][phase] = json["seconds"].value(phase, 0.0) + seconds;
  }
  json["controls"] = write_controls(result.controls);
  json["dense_spec"] = write_model_spec(result.dense_spec);
  json["compressed_spec"] = write_model_spec(result.compressed_spec);
  json["compressed_spectrum"] = write_spectrum(result.compressed_spectrum);
  json["scores"] = result.scores ? write_layer_scores(*result.scores) : Json();
  return json::dump(json, kIndent) + "\n";
}

CompressResult compress_result_from_json(std::string_view text, const std::string& source) {
  const Json json = json::parse(text, source);
  Object object(json, Place{&source, ""});
  json::check_document(object, "compress", kVersion);
  CompressResult result;
  object.get("manifest", result.manifest);
  object.get("model", result.model);
  object.get("output", result.output);
  object.get("removed", result.removed);
  object.get("reason", result.reason);
  read_model_result(object.at("dense"), object.place("dense"), result.dense, result.dense_params,
                    result.dense_macs);
  read_model_result(object.at("compressed"), object.place("compressed"), result.compressed,
                    result.compressed_params, result.compressed_macs);
  if (!object.at("paired").is_null()) object.get("paired", result.paired.emplace());
  object.get("held_out_kl", result.held_out_kl);
  object.get("held_out_agreement", result.held_out_agreement);
  read_seconds(object.at("seconds"), object.place("seconds"), result.seconds);
  object.get("controls", result.controls);
  result.dense_spec = read_model_spec(object.at("dense_spec"), object.place("dense_spec"));
  result.compressed_spec = read_model_spec(object.at("compressed_spec"), object.place("compressed_spec"));
  object.get("compressed_spectrum", result.compressed_spectrum);
  if (!object.at("scores").is_null()) object.get("scores", result.scores.emplace());
  object.finish();
  return result;
}

}  // namespace vitrim
