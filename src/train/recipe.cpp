#include "vitrim/train/recipe.h"

#include <stdexcept>

#include "core/json.h"

namespace vitrim::train {
namespace {

using json::Json;

/// A TOML basic string.
std::string quoted(const std::string& text) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code == 0x7f) {
      out += "\\u00";
      out += kHex[code / 16];
      out += kHex[code % 16];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string toml_value(const KeyValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  std::string out = shown(value);
  // Without a point or an exponent, TOML would read an integer.
  if (std::holds_alternative<double>(value) && out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

KeyValue from_json_value(const Json& json, const json::Place& place, const Key& key) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) {
    int64_t whole = 0;
    json::read(json, place, whole);
    return whole;
  }
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  place.fail("must be " + key.expected());
}

}  // namespace

double peak_learning_rate(const Recipe& recipe) {
  if (recipe.learning_rate_per_512 <= 0) return recipe.learning_rate;
  return recipe.learning_rate_per_512 * static_cast<double>(recipe.batch_size) / 512;
}

void set(Recipe& recipe, const std::string& key, const std::string& value) {
  set(keys_of(recipe), key, value);
}

std::vector<std::string> recipe_keys() {
  Recipe any;
  std::vector<std::string> names;
  for (const Key& key : keys_of(any)) names.push_back(key.key);
  return names;
}

std::string to_toml(const Recipe& recipe) {
  Recipe copy = recipe;
  std::string out, section;
  for (const Key& key : keys_of(copy)) {
    if (key.section() != section) {
      section = key.section();
      out += (out.empty() ? "[" : "\n[") + section + "]\n";
    }
    out += key.name() + " = " + toml_value(key.value()) + "\n";
  }
  return out;
}

std::string to_json(const Recipe& recipe) {
  Recipe copy = recipe;
  Json out = Json::object();
  for (const Key& key : keys_of(copy))
    std::visit([&](const auto& value) { out[key.section()][key.name()] = value; }, key.value());
  return json::dump(out, 2);
}

Recipe recipe_from_json(std::string_view text, const std::string& source) {
  const Json document = json::parse(text, source);
  const json::Place top{&source, ""};
  if (!document.is_object()) top.fail("expected an object with an object per section of the recipe");
  Recipe recipe;
  const Keys known = keys_of(recipe);
  KeySetter setter(known);
  for (const auto& [section, keys] : document.items()) {
    const json::Place here = top.at(section);
    if (!keys.is_object()) here.fail("expected an object with the keys of this section");
    for (const auto& [name, value] : keys.items()) {
      const json::Place place = here.at(name);
      const Key* key = find_key(known, place.keys);
      if (!key) place.fail(unknown_key(known, place.keys));
      if (const auto problem = setter.put(*key, from_json_value(value, place, *key))) place.fail(*problem);
    }
  }
  setter.finish();
  return recipe;
}

void validate(const Recipe& recipe) {
  std::string problems;
  const auto add = [&](const std::string& problem) { problems += (problems.empty() ? "" : "; ") + problem; };
  Recipe copy = recipe;
  const Keys keys = keys_of(copy);
  for (const Key& key : keys) {
    if (const auto problem = KeySetter(keys).put(key, key.value())) add(*problem);
  }
  const auto name = [&](const auto& member) {
    const auto here = [&](auto* slot) {
      return static_cast<const void*>(slot) == static_cast<const void*>(&member);
    };
    for (const Key& key : keys) {
      if (std::visit(here, key.slot)) return key.key;
    }
    throw std::logic_error("[train::validate] a member without a key");
  };
  const auto ordered = [&](const auto& low, const auto& high) {
    if (static_cast<double>(low) <= static_cast<double>(high)) return;
    add(name(low) + " (" + shown(low) + ") must be at most " + name(high) + " (" + shown(high) + ")");
  };
  ordered(copy.warm_up_epochs, copy.epochs);
  ordered(copy.augment.scale_min, copy.augment.scale_max);
  ordered(copy.augment.ratio_min, copy.augment.ratio_max);
  ordered(copy.segmentation.scale_min, copy.segmentation.scale_max);
  ordered(copy.augment.erase_area_min, copy.augment.erase_area_max);
  if (copy.min_learning_rate > peak_learning_rate(copy)) {
    add(name(copy.min_learning_rate) + " (" + shown(copy.min_learning_rate) +
        ") must be at most the peak learning rate (" + shown(peak_learning_rate(copy)) + ")");
  }
  if (copy.accumulate > 0 && copy.batch_size % copy.accumulate != 0) {
    add(name(copy.accumulate) + " (" + shown(copy.accumulate) + ") must divide " + name(copy.batch_size) +
        " (" + shown(copy.batch_size) + ")");
  }
  // Only epochs in which the diluted attention is gone may be exported, so there must be at least one.
  if (copy.dilution_epochs > 0 && copy.dilution_epochs >= copy.epochs) {
    add(name(copy.dilution_epochs) + " (" + shown(copy.dilution_epochs) + ") must be below " +
        name(copy.epochs) + " (" + shown(copy.epochs) +
        "), so that epochs without the removed layers are left");
  }
  if (copy.block_weight > 0 && copy.teacher.empty())
    add(name(copy.block_weight) + " (" + shown(copy.block_weight) + ") needs a " + name(copy.teacher));
  if (copy.augment.padding > 0 && copy.augment.random_resized_crop)
    add(name(copy.augment.padding) + " does nothing while " + name(copy.augment.random_resized_crop) +
        " is true");
  if (!problems.empty()) throw std::invalid_argument("[train::validate] " + problems);
}

}  // namespace vitrim::train
