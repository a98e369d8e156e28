#include "vitrim/train/recipe.h"

#include <charconv>
#include <cmath>
#include <stdexcept>

#include "core/json.h"
#include "train/recipe_fields.h"

namespace vitrim::train {
namespace {

using json::Json;

/// A flag's text as the kind of value that the field wants, or as the text itself where it is none.
RecipeValue parse_value(const RecipeField& field, const std::string& text) {
  Recipe any;
  if (std::holds_alternative<std::string*>(field.slot(any))) return text;
  if (text == "true" || text == "false") return text == "true";
  const char* end = text.data() + text.size();
  int64_t whole = 0;
  if (const auto read = std::from_chars(text.data(), end, whole); read.ec == std::errc() && read.ptr == end)
    return whole;
  double number = 0;
  if (const auto read = std::from_chars(text.data(), end, number); read.ec == std::errc() && read.ptr == end)
    return number;
  return text;
}

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

std::string toml_value(const RecipeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  std::string out = shown(value);
  // Without a point or an exponent TOML would read a whole number.
  if (std::holds_alternative<double>(value) && out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

RecipeValue from_json_value(const Json& json, const json::Place& place, const RecipeField& field) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) {
    int64_t whole = 0;
    json::read(json, place, whole);
    return whole;
  }
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  place.fail("must be " + field.expected());
}

}  // namespace

double peak_learning_rate(const Recipe& recipe) {
  if (recipe.learning_rate_per_512 <= 0) return recipe.learning_rate;
  return recipe.learning_rate_per_512 * static_cast<double>(recipe.batch_size) / 512;
}

void set(Recipe& recipe, const std::string& key, const std::string& value) {
  const RecipeField* field = find_field(key);
  if (!field) throw std::invalid_argument("[train::set] " + unknown_key(key));
  RecipeSetter setter(recipe);
  if (const auto problem = setter.put(*field, parse_value(*field, value)))
    throw std::invalid_argument("[train::set] " + *problem);
  setter.finish();
}

std::vector<std::string> recipe_keys() {
  std::vector<std::string> keys;
  for (const RecipeField& field : recipe_fields()) keys.push_back(field.key);
  return keys;
}

std::string to_toml(const Recipe& recipe) {
  std::string out, section;
  for (const RecipeField& field : recipe_fields()) {
    if (field.section() != section) {
      section = field.section();
      out += (out.empty() ? "[" : "\n[") + section + "]\n";
    }
    out += field.name() + " = " + toml_value(value_of(recipe, field)) + "\n";
  }
  return out;
}

std::string to_json(const Recipe& recipe) {
  Json out = Json::object();
  for (const RecipeField& field : recipe_fields()) {
    std::visit([&](const auto& value) { out[field.section()][field.name()] = value; },
               value_of(recipe, field));
  }
  return json::dump(out, 2);
}

Recipe recipe_from_json(std::string_view text, const std::string& source) {
  const Json document = json::parse(text, source);
  const json::Place top{&source, ""};
  if (!document.is_object()) top.fail("expected an object with an object per section of the recipe");
  Recipe recipe;
  RecipeSetter setter(recipe);
  for (const auto& [section, keys] : document.items()) {
    const json::Place here = top.at(section);
    if (!keys.is_object()) here.fail("expected an object with the keys of this section");
    for (const auto& [name, value] : keys.items()) {
      const json::Place place = here.at(name);
      const RecipeField* field = find_field(place.keys);
      if (!field) place.fail(unknown_key(place.keys));
      if (const auto problem = setter.put(*field, from_json_value(value, place, *field)))
        place.fail(*problem);
    }
  }
  setter.finish();
  return recipe;
}

void validate(const Recipe& recipe) {
  std::string problems;
  const auto add = [&](const std::string& problem) { problems += (problems.empty() ? "" : "; ") + problem; };
  Recipe copy = recipe;
  for (const RecipeField& field : recipe_fields()) {
    if (const auto problem = RecipeSetter(copy).put(field, value_of(recipe, field))) add(*problem);
  }
  const auto name = [&](const auto& member) {
    for (const RecipeField& field : recipe_fields()) {
      const auto here = [&](auto* slot) {
        return static_cast<const void*>(slot) == static_cast<const void*>(&member);
      };
      if (std::visit(here, field.slot(copy))) return field.key;
    }
    throw std::logic_error("[train::validate] a member without a key");
  };
  const auto ordered = [&](const auto& low, const auto& high) {
    if (static_cast<double>(low) <= static_cast<double>(high)) return;
    add(name(low) + " (" + shown(low) + ") must be at most " + name(high) + " (" + shown(high) + ")");
  };
  copy = recipe;
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
  // Only epochs without the diluted attention may be exported, so there must be one.
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
