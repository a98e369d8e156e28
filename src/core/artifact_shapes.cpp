#include "core/artifact_shapes.h"

#include <algorithm>
#include <sstream>

#include "core/artifact_fields.h"

namespace vitrim {

using json::Json;
using json::Place;

namespace {

auto& part_of(json::Is<Estimate> auto& estimate, Part part) {
  return part == Part::kValue ? estimate.value : estimate.standard_error;
}

void check_count(const Place& place, size_t errors, size_t figures) {
  if (errors == figures) return;
  place.fail("has " + std::to_string(errors) + " entries for " + std::to_string(figures) + " figures");
}

void sizes(auto& f, const auto& result) {
  f("params", result.params);
  f("macs", result.macs);
}

}  // namespace

Json write(const Figures<const Estimate>& figures) { return part_of(figures.estimates, figures.part); }

void read(const Json& json, const Place& place, const Figures<Estimate>& figures) {
  read(json, place, part_of(figures.estimates, figures.part));
}

Json write(const Figures<const std::vector<Estimate>>& figures) {
  std::vector<double> numbers;
  for (const Estimate& estimate : figures.estimates) numbers.push_back(part_of(estimate, figures.part));
  return json::write(numbers);
}

void read(const Json& json, const Place& place, const Figures<std::vector<Estimate>>& figures) {
  std::vector<double> numbers;
  read(json, place, numbers);
  if (figures.part == Part::kValue) figures.estimates.assign(numbers.size(), {});
  check_count(place, numbers.size(), figures.estimates.size());
  for (size_t i = 0; i < numbers.size(); ++i) part_of(figures.estimates[i], figures.part) = numbers[i];
}

Json write(const Figures<const std::map<int, Estimate>>& figures) {
  std::map<int, double> numbers;
  for (const auto& [layer, estimate] : figures.estimates) numbers[layer] = part_of(estimate, figures.part);
  return json::write(numbers);
}

void read(const Json& json, const Place& place, const Figures<std::map<int, Estimate>>& figures) {
  std::map<int, double> numbers;
  read(json, place, numbers);
  if (figures.part == Part::kValue) figures.estimates.clear();
  for (const auto& [layer, number] : numbers) {
    if (figures.part == Part::kError && !figures.estimates.contains(layer)) {
      place.at(std::to_string(layer)).fail("a standard error without its figure");
    }
    part_of(figures.estimates[layer], figures.part) = number;
  }
  check_count(place, numbers.size(), figures.estimates.size());
}

Json write(const Digits<const std::vector<uint8_t>>& digits) {
  std::string text;
  for (const uint8_t correct : digits.correct) text += correct ? '1' : '0';
  return text;
}

void read(const Json& json, const Place& place, const Digits<std::vector<uint8_t>>& digits) {
  std::string text;
  read(json, place, text);
  if (text.find_first_not_of("01") != std::string::npos) place.fail("expected only 0 and 1");
  // A result without the answers per image is valid; one with answers for another number of images is not.
  if (!text.empty() && static_cast<int64_t>(text.size()) != digits.images) {
    place.fail("has " + std::to_string(text.size()) + " images, but \"images\" is " +
               std::to_string(digits.images));
  }
  digits.correct.resize(text.size());
  std::transform(text.begin(), text.end(), digits.correct.begin(), [](char c) { return c == '1' ? 1 : 0; });
}

Json write(const PixelCounts<const std::vector<std::vector<ClassPixels>>>& counts) {
  Json json = Json::array();
  for (const std::vector<ClassPixels>& image : counts.images) {
    std::string text;
    for (const ClassPixels& c : image) {
      text += text.empty() ? "" : ",";
      text += std::to_string(c.class_index) + " " + std::to_string(c.labelled) + " " +
              std::to_string(c.predicted) + " " + std::to_string(c.both);
    }
    json.push_back(text);
  }
  return json;
}

void read(const Json& json, const Place& place,
          const PixelCounts<std::vector<std::vector<ClassPixels>>>& counts) {
  std::vector<std::string> texts;
  read(json, place, texts);
  counts.images.clear();
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<ClassPixels>& image = counts.images.emplace_back();
    std::istringstream classes(texts[i]);
    for (std::string one; std::getline(classes, one, ',');) {
      std::istringstream numbers(one);
      ClassPixels c;
      std::string rest;
      const bool four = static_cast<bool>(numbers >> c.class_index >> c.labelled >> c.predicted >> c.both) &&
                        !(numbers >> rest);
      const bool possible =
          c.class_index >= 0 && c.both >= 0 && c.labelled >= c.both && c.predicted >= c.both;
      if (!four || !possible) {
        place.at(std::to_string(i))
            .fail("\"" + one + "\" is not class, labelled, predicted and common pixels");
      }
      image.push_back(c);
    }
  }
}

Json write(const ModelResult<const std::optional<EvalResult>, const int64_t>& result) {
  json::Writer f(result.eval ? json::write(*result.eval) : Json::object());
  sizes(f, result);
  return f.json();
}

void read(const Json& json, const Place& place,
          const ModelResult<std::optional<EvalResult>, int64_t>& result) {
  json::Reader f(json, place);
  sizes(f, result);
  if (f.has("kind")) {
    read(json, place, result.eval.emplace());
  } else {
    result.eval.reset();
    f.finish();
  }
}

Json write(const Phases<const std::vector<std::pair<std::string, double>>>& phases) {
  Json json = Json::object();
  for (const auto& [phase, seconds] : phases.seconds) json[phase] = json.value(phase, 0.0) + seconds;
  return json;
}

void read(const Json& json, const Place& place,
          const Phases<std::vector<std::pair<std::string, double>>>& phases) {
  if (!json.is_object()) place.fail("expected an object");
  phases.seconds.clear();
  for (const auto& item : json.items()) {
    double value = 0;
    read(item.value(), place.at(item.key()), value);
    phases.seconds.emplace_back(item.key(), value);
  }
}

Json write(const RecipeText<const std::string>& recipe) {
  return recipe.text.empty() ? Json::object() : json::parse(recipe.text, "recipe");
}

void read(const Json& json, const Place&, const RecipeText<std::string>& recipe) {
  recipe.text = json::dump(json, -1);
}

}  // namespace vitrim
