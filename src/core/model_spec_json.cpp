#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "core/model_spec_fields.h"
#include "vitrim/core/error.h"

namespace vitrim {

using json::Json;
using json::Place;

namespace {

constexpr int64_t kVersion = 1;

}  // namespace

namespace {

using Member = std::pair<const char*, bool QuantizedLayers::*>;
constexpr Member kQuantizedLayers[] = {{"qkv", &QuantizedLayers::qkv},
                                       {"proj", &QuantizedLayers::proj},
                                       {"fc1", &QuantizedLayers::fc1},
                                       {"fc2", &QuantizedLayers::fc2}};

}  // namespace

Json write(const QuantizedLayers& layers) {
  Json names = Json::array();
  for (const auto& [name, member] : kQuantizedLayers) {
    if (layers.*member) names.push_back(name);
  }
  return names;
}

void read(const Json& json, const Place& place, QuantizedLayers& layers) {
  std::vector<std::string> names, valid;
  json::read(json, place, names);
  layers = {};
  for (const auto& [name, member] : kQuantizedLayers) valid.push_back(name);
  for (const std::string& name : names) {
    const auto known = std::find_if(std::begin(kQuantizedLayers), std::end(kQuantizedLayers),
                                    [&](const Member& member) { return name == member.first; });
    if (known == std::end(kQuantizedLayers))
      place.fail("unknown layer \"" + name + "\"; did you mean \"" + nearest(name, valid) + "\"?");
    layers.*(known->second) = true;
  }
}

Json write(SpecVersion) { return kVersion; }

void read(const Json& json, const Place& place, SpecVersion) {
  int64_t version = 0;
  read(json, place, version);
  if (version < 1 || version > kVersion) {
    place.fail("version " + std::to_string(version) + " is not supported (newest " +
               std::to_string(kVersion) + "): update vitrim");
  }
}

std::string attention_name(AttentionKind kind) { return write(Named{kind, kAttentionNames}); }
std::string activation_name(Activation activation) { return write(Named{activation, kActivationNames}); }

std::string task_name(Task task) { return write(Named{task, kTaskNames}); }

std::string to_json(const ModelSpec& spec) { return json::dump(json::write(spec), -1); }

ModelSpec model_spec_from_json(std::string_view text, const std::string& source) {
  ModelSpec spec = json::from_text<ModelSpec>(text, source);
  try {
    validate(spec);
  } catch (const std::invalid_argument& error) {
    throw FormatError(source, "", std::string("the model spec contradicts itself: ") + error.what());
  }
  return spec;
}

}  // namespace vitrim
