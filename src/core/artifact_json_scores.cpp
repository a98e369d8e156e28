#include "core/artifact_json_parts.h"
#include "vitrim/core/artifact_json.h"

namespace vitrim {

using json::Json;
using json::Object;
using json::Place;

namespace {

constexpr int kIndent = 1;
constexpr int64_t kVersion = 1;

// Figures stand as plain numbers under their names, so that scripts read them without knowing about errors;
// the standard errors stand beside them in the same shape under NAME_se.
enum class Part { kValue, kError };

double part_of(const Estimate& estimate, Part part) {
  return part == Part::kValue ? estimate.value : estimate.standard_error;
}

double& part_of(Estimate& estimate, Part part) {
  return part == Part::kValue ? estimate.value : estimate.standard_error;
}

Json write_part(const Estimate& estimate, Part part) { return part_of(estimate, part); }

Json write_part(const std::vector<Estimate>& estimates, Part part) {
  Json json = Json::array();
  for (const Estimate& estimate : estimates) json.push_back(part_of(estimate, part));
  return json;
}

Json write_part(const std::map<int, Estimate>& estimates, Part part) {
  Json json = Json::object();
  for (const auto& [layer, estimate] : estimates) json[std::to_string(layer)] = part_of(estimate, part);
  return json;
}

void read_part(const Json& json, const Place& place, Part part, Estimate& estimate) {
  read(json, place, part_of(estimate, part));
}

void read_part(const Json& json, const Place& place, Part part, std::vector<Estimate>& estimates) {
  std::vector<double> numbers;
  read(json, place, numbers);
  if (part == Part::kValue) {
    estimates.assign(numbers.size(), {});
  } else if (numbers.size() != estimates.size()) {
    place.fail("has " + std::to_string(numbers.size()) + " entries for " + std::to_string(estimates.size()) +
               " figures");
  }
  for (size_t i = 0; i < numbers.size(); ++i) part_of(estimates[i], part) = numbers[i];
}

void read_part(const Json& json, const Place& place, Part part, std::map<int, Estimate>& estimates) {
  std::map<int, double> numbers;
  read(json, place, numbers);
  if (part == Part::kValue) estimates.clear();
  for (const auto& [layer, number] : numbers) {
    if (part == Part::kError && !estimates.contains(layer)) {
      place.at(std::to_string(layer)).fail("a standard error without its figure");
    }
    part_of(estimates[layer], part) = number;
  }
  if (part == Part::kError && numbers.size() != estimates.size()) {
    place.fail("has " + std::to_string(numbers.size()) + " entries for " + std::to_string(estimates.size()) +
               " figures");
  }
}

/// Reads NAME and NAME_se.
template <typename T>
void get_estimates(Object& object, const std::string& name, T& estimates) {
  read_part(object.at(name), object.place(name), Part::kValue, estimates);
  read_part(object.at(name + "_se"), object.place(name + "_se"), Part::kError, estimates);
}

Json write_entropy(const LayerScores& scores, Part part) {
  Json json;
  json["attention"] = write_part(scores.attention_entropy, part);
  json["mlp"] = write_part(scores.mlp_entropy, part);
  json["output"] = write_part(scores.output_entropy, part);
  return json;
}

void read_entropy(const Json& json, const Place& place, Part part, LayerScores& scores) {
  Object object(json, place);
  read_part(object.at("attention"), object.place("attention"), part, scores.attention_entropy);
  read_part(object.at("mlp"), object.place("mlp"), part, scores.mlp_entropy);
  read_part(object.at("output"), object.place("output"), part, scores.output_entropy);
  object.finish();
}

Json write_te(const LayerScores& scores, Part part) {
  Json json;
  json["drop"] = write_part(scores.te_drop, part);
  json["identity"] = write_part(scores.te_identity, part);
  return json;
}

void read_te(const Json& json, const Place& place, Part part, LayerScores& scores) {
  Object object(json, place);
  read_part(object.at("drop"), object.place("drop"), part, scores.te_drop);
  read_part(object.at("identity"), object.place("identity"), part, scores.te_identity);
  object.finish();
}

Json write_sets(const std::vector<SetResult>& sets) {
  Json list = Json::array();
  for (const SetResult& set : sets) {
    Json json;
    json["layers"] = set.layers;
    json["score"] = set.score.value;
    json["score_se"] = set.score.standard_error;
    json["te"] = set.te.value;
    json["te_se"] = set.te.standard_error;
    json["kl"] = set.kl;
    json["feature_error"] = set.feature_error;
    json["chosen_fraction"] = set.chosen_fraction;
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace

// Found by the list reader through its argument's namespace, so it must stand outside the unnamed one.
void read(const Json& json, const Place& place, SetResult& set);

void read(const Json& json, const Place& place, SetResult& set) {
  Object object(json, place);
  object.get("layers", set.layers);
  get_estimates(object, "score", set.score);
  get_estimates(object, "te", set.te);
  object.get("kl", set.kl);
  object.get("feature_error", set.feature_error);
  object.get("chosen_fraction", set.chosen_fraction);
  object.finish();
}

Json write_spectrum(const Spectrum& spectrum) {
  Json json;
  json["radii"] = spectrum.radii;
  json["log_amplitude"] = spectrum.log_amplitude;
  return json;
}

void read(const Json& json, const Place& place, Spectrum& spectrum) {
  Object object(json, place);
  object.get("radii", spectrum.radii);
  object.get("log_amplitude", spectrum.log_amplitude);
  object.finish();
}

Json write_layer_scores(const LayerScores& scores) {
  Json json = json::document("layer_scores", kVersion);
  json["manifest"] = write_manifest(scores.manifest);
  json["model"] = scores.model;
  json["estimator"] = scores.estimator;
  json["criterion"] = scores.criterion;
  json["search"] = scores.search;
  json["mask"] = scores.mask;
  json["images"] = scores.images;
  json["chosen"] = scores.chosen;
  json["entropy"] = write_entropy(scores, Part::kValue);
  json["entropy_se"] = write_entropy(scores, Part::kError);
  json["te"] = write_te(scores, Part::kValue);
  json["te_se"] = write_te(scores, Part::kError);
  json["kl_drop"] = json::layer_map(scores.kl_drop);
  json["feature_error_drop"] = json::layer_map(scores.feature_error_drop);
  json["absorbed"] = write_part(scores.absorbed, Part::kValue);
  json["absorbed_se"] = write_part(scores.absorbed, Part::kError);
  json["interaction"] = scores.interaction;
  json["sets"] = write_sets(scores.sets);
  json["other_criterion"] = write_sets(scores.other_criterion);
  json["block_evaluations"] = scores.block_evaluations;
  json["brute_force_block_evaluations"] = scores.brute_force_block_evaluations;
  json["floored_channels"] = scores.floored_channels;
  json["other_estimator"] = Json::object();
  for (const auto& [name, entropies] : scores.other_estimator) json["other_estimator"][name] = entropies;
  json["spectrum"] = write_spectrum(scores.spectrum);
  return json;
}

void read(const Json& json, const Place& place, LayerScores& scores) {
  Object object(json, place);
  json::check_document(object, "layer_scores", kVersion);
  object.get("manifest", scores.manifest);
  object.get("model", scores.model);
  object.get("estimator", scores.estimator);
  object.get("criterion", scores.criterion);
  object.get("search", scores.search);
  object.get("mask", scores.mask);
  object.get("images", scores.images);
  object.get("chosen", scores.chosen);
  read_entropy(object.at("entropy"), object.place("entropy"), Part::kValue, scores);
  read_entropy(object.at("entropy_se"), object.place("entropy_se"), Part::kError, scores);
  read_te(object.at("te"), object.place("te"), Part::kValue, scores);
  read_te(object.at("te_se"), object.place("te_se"), Part::kError, scores);
  object.get("kl_drop", scores.kl_drop);
  object.get("feature_error_drop", scores.feature_error_drop);
  get_estimates(object, "absorbed", scores.absorbed);
  object.get("interaction", scores.interaction);
  object.get("sets", scores.sets);
  object.get("other_criterion", scores.other_criterion);
  object.get("block_evaluations", scores.block_evaluations);
  object.get("brute_force_block_evaluations", scores.brute_force_block_evaluations);
  object.get("floored_channels", scores.floored_channels);
  const Json& other = object.at("other_estimator");
  const Place other_place = object.place("other_estimator");
  if (!other.is_object()) other_place.fail("expected an object");
  for (const auto& item : other.items()) {
    read(item.value(), other_place.at(item.key()), scores.other_estimator[item.key()]);
  }
  object.get("spectrum", scores.spectrum);
  object.finish();
}

std::string to_json(const LayerScores& scores) {
  return json::dump(write_layer_scores(scores), kIndent) + "\n";
}

LayerScores layer_scores_from_json(std::string_view text, const std::string& source) {
  LayerScores scores;
  read(json::parse(text, source), Place{&source, ""}, scores);
  return scores;
}

}  // namespace vitrim
