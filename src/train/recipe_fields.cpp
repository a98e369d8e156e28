#include "train/recipe_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "vitrim/core/suggest.h"

namespace vitrim::train {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMany = 1e9;  // beyond it a count is a slip, and products of counts would overflow

constexpr Range at_least(double low) { return {low, kInfinity, false, false}; }
constexpr Range above(double low) { return {low, kInfinity, true, false}; }
constexpr Range between(double low, double high) { return {low, high, false, false}; }
constexpr Range from_to_below(double low, double high) { return {low, high, false, true}; }
constexpr Range above_up_to(double low, double high) { return {low, high, true, false}; }
constexpr Range kShare = between(0, 1);

std::string text_of(double value) {
  // The shortest digits that read back as the same number; counts without an exponent.
  if (std::abs(value) < 1e12 && value == std::floor(value))
    return std::to_string(static_cast<int64_t>(value));
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

bool in_range(const Range& range, double value) {
  if (!std::isfinite(value)) return false;
  return (range.without_low ? value > range.low : value >= range.low) &&
         (range.without_high ? value < range.high : value <= range.high);
}

/// " of at least 0 and below 1", or "".
std::string in_words(const Range& range) {
  std::string words;
  if (std::isfinite(range.low))
    words = (range.without_low ? " above " : " of at least ") + text_of(range.low);
  if (std::isfinite(range.high)) {
    words += words.empty() ? " " : " and ";
    words += (range.without_high ? "below " : "at most ") + text_of(range.high);
  }
  return words;
}

}  // namespace

const std::vector<RecipeField>& recipe_fields() {
  using R = Recipe;
  using S = RecipeSlot;
  static const std::vector<RecipeField> kFields{
      {"schedule.epochs", [](R& r) -> S { return &r.epochs; }, between(1, kMany)},
      {"schedule.batch_size", [](R& r) -> S { return &r.batch_size; }, between(1, kMany)},
      {"schedule.learning_rate", [](R& r) -> S { return &r.learning_rate; }, above(0)},
      {"schedule.learning_rate_per_512", [](R& r) -> S { return &r.learning_rate_per_512; }, at_least(0)},
      {"schedule.min_learning_rate", [](R& r) -> S { return &r.min_learning_rate; }, at_least(0)},
      {"schedule.warm_up_epochs", [](R& r) -> S { return &r.warm_up_epochs; }, at_least(0)},
      {"schedule.warm_up_learning_rate", [](R& r) -> S { return &r.warm_up_learning_rate; }, at_least(0)},

      {"optimizer.weight_decay", [](R& r) -> S { return &r.weight_decay; }, at_least(0)},
      {"optimizer.beta1", [](R& r) -> S { return &r.beta1; }, from_to_below(0, 1)},
      {"optimizer.beta2", [](R& r) -> S { return &r.beta2; }, from_to_below(0, 1)},
      {"optimizer.eps", [](R& r) -> S { return &r.eps; }, above(0)},
      {"optimizer.clip_norm", [](R& r) -> S { return &r.clip_norm; }, at_least(0)},
      {"optimizer.accumulate", [](R& r) -> S { return &r.accumulate; }, between(1, kMany)},

      {"regularization.label_smoothing", [](R& r) -> S { return &r.label_smoothing; }, from_to_below(0, 1)},
      {"regularization.drop_path", [](R& r) -> S { return &r.drop_path; }, from_to_below(0, 1)},
      {"regularization.high_frequency_weight", [](R& r) -> S { return &r.high_frequency_weight; },
       at_least(0)},

      {"mixing.mixup", [](R& r) -> S { return &r.mixup; }, between(0, 4)},
      {"mixing.cutmix", [](R& r) -> S { return &r.cutmix; }, between(0, 4)},
      {"mixing.mix_probability", [](R& r) -> S { return &r.mix_probability; }, kShare},
      {"mixing.cutmix_share", [](R& r) -> S { return &r.cutmix_share; }, kShare},

      {"augment.random_resized_crop", [](R& r) -> S { return &r.augment.random_resized_crop; }},
      {"augment.scale_min", [](R& r) -> S { return &r.augment.scale_min; }, above_up_to(0, 1)},
      {"augment.scale_max", [](R& r) -> S { return &r.augment.scale_max; }, above_up_to(0, 1)},
      {"augment.ratio_min", [](R& r) -> S { return &r.augment.ratio_min; }, above(0)},
      {"augment.ratio_max", [](R& r) -> S { return &r.augment.ratio_max; }, above(0)},
      {"augment.padding", [](R& r) -> S { return &r.augment.padding; }, between(0, 4096)},
      {"augment.horizontal_flip", [](R& r) -> S { return &r.augment.horizontal_flip; }, kShare},
      {"augment.rand_augment_ops", [](R& r) -> S { return &r.augment.rand_augment_ops; }, between(0, 100)},
      {"augment.rand_augment_magnitude", [](R& r) -> S { return &r.augment.rand_augment_magnitude; },
       between(0, 10)},
      {"augment.rand_augment_std", [](R& r) -> S { return &r.augment.rand_augment_std; }, at_least(0)},
      {"augment.color_jitter", [](R& r) -> S { return &r.augment.color_jitter; }, at_least(0)},
      {"augment.erase_probability", [](R& r) -> S { return &r.augment.erase_probability; }, kShare},
      {"augment.erase_area_min", [](R& r) -> S { return &r.augment.erase_area_min; }, above_up_to(0, 1)},
      {"augment.erase_area_max", [](R& r) -> S { return &r.augment.erase_area_max; }, above_up_to(0, 1)},
      {"augment.repeats", [](R& r) -> S { return &r.repeats; }, between(1, 1000)},

      {"segmentation.scale_min", [](R& r) -> S { return &r.segmentation.scale_min; }, above_up_to(0, 100)},
      {"segmentation.scale_max", [](R& r) -> S { return &r.segmentation.scale_max; }, above_up_to(0, 100)},
      {"segmentation.category_max_ratio", [](R& r) -> S { return &r.segmentation.category_max_ratio; },
       above_up_to(0, 1)},

      {"ema.decay", [](R& r) -> S { return &r.ema_decay; }, from_to_below(0, 1)},

      {"distillation.teacher", [](R& r) -> S { return &r.teacher; }},
      {"distillation.weight", [](R& r) -> S { return &r.distillation_weight; }, kShare},
      {"distillation.temperature", [](R& r) -> S { return &r.distillation_temperature; }, above(0)},
      {"distillation.block_weight", [](R& r) -> S { return &r.block_weight; }, at_least(0)},

      {"dilution.epochs", [](R& r) -> S { return &r.dilution_epochs; }, between(0, kMany)},
      {"dilution.schedule",
       [](R& r) -> S { return &r.dilution_schedule; },
       {},
       {"linear", "cosine", "held_out"}},
  };
  return kFields;
}

const RecipeField* find_field(std::string_view key) {
  for (const RecipeField& field : recipe_fields()) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

std::string unknown_key(const std::string& key) {
  // A known name in the wrong section, or in none, is nearer than any edit.
  const std::string name = key.substr(key.rfind('.') + 1);
  std::string best;
  for (const RecipeField& field : recipe_fields()) {
    if (best.empty() && field.name() == name) best = field.key;
  }
  if (best.empty()) best = nearest(key, recipe_keys());
  return "unknown key \"" + key + "\"; did you mean \"" + best + "\"?";
}

std::string RecipeField::expected() const {
  Recipe any;
  const RecipeSlot where = slot(any);
  if (std::holds_alternative<bool*>(where)) return "true or false";
  if (std::holds_alternative<int64_t*>(where)) return "a whole number" + in_words(range);
  if (std::holds_alternative<double*>(where)) return "a number" + in_words(range);
  std::string words = choices.empty() ? "a text" : "";
  for (const std::string& choice : choices) words += (words.empty() ? "" : " or ") + choice;
  return words;
}

RecipeValue value_of(const Recipe& recipe, const RecipeField& field) {
  Recipe copy = recipe;
  return std::visit([](auto* member) { return RecipeValue(*member); }, field.slot(copy));
}

std::string shown(const RecipeValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&value)) return text_of(*number);
  return "\"" + std::get<std::string>(value) + "\"";
}

std::optional<std::string> RecipeSetter::put(const RecipeField& field, const RecipeValue& value) {
  bool fits = false;
  const RecipeSlot slot = field.slot(recipe_);
  if (auto* const* flag = std::get_if<bool*>(&slot)) {
    fits = std::holds_alternative<bool>(value);
    if (fits) **flag = std::get<bool>(value);
  } else if (auto* const* whole = std::get_if<int64_t*>(&slot)) {
    const auto* given = std::get_if<int64_t>(&value);
    fits = given && in_range(field.range, static_cast<double>(*given));
    if (fits) **whole = *given;
  } else if (auto* const* number = std::get_if<double*>(&slot)) {
    const auto* given = std::get_if<int64_t>(&value);  // 5 for 5.0
    const auto* exact = std::get_if<double>(&value);
    const double wanted = given ? static_cast<double>(*given) : exact ? *exact : kInfinity;
    fits = in_range(field.range, wanted);
    if (fits) **number = wanted;
  } else {
    const auto* given = std::get_if<std::string>(&value);
    fits = given && (field.choices.empty() ||
                     std::find(field.choices.begin(), field.choices.end(), *given) != field.choices.end());
    if (fits) *std::get<std::string*>(slot) = *given;
  }
  if (!fits) return field.key + " must be " + field.expected() + ", not " + shown(value);
  rate_ = rate_ || slot == RecipeSlot(&recipe_.learning_rate);
  rate_rule_ = rate_rule_ || slot == RecipeSlot(&recipe_.learning_rate_per_512);
  return std::nullopt;
}

void RecipeSetter::finish() {
  if (rate_ && !rate_rule_) recipe_.learning_rate_per_512 = 0;
}

}  // namespace vitrim::train
