#include "vitrim/train/keys.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <type_traits>

#include "vitrim/core/suggest.h"

namespace vitrim::train {
namespace {

std::string text_of(double value) {
  // The shortest text that reads back as the same number; counts without an exponent.
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

/// Converts a flag's text to the type of the key; returns the text itself if that is not possible.
KeyValue parse_value(const Key& key, const std::string& text) {
  if (std::holds_alternative<std::string*>(key.slot)) return text;
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

}  // namespace

const Key* find_key(const Keys& keys, std::string_view name) {
  for (const Key& key : keys) {
    if (key.key == name) return &key;
  }
  return nullptr;
}

std::string unknown_key(const Keys& keys, const std::string& unknown) {
  // A known name in the wrong section, or without one, is closer than any edit.
  const std::string name = unknown.substr(unknown.rfind('.') + 1);
  std::string best;
  std::vector<std::string> names;
  for (const Key& key : keys) {
    if (best.empty() && key.name() == name) best = key.key;
    names.push_back(key.key);
  }
  if (best.empty()) best = nearest(unknown, names);
  return "unknown key \"" + unknown + "\"; did you mean \"" + best + "\"?";
}

std::string Key::expected() const {
  if (std::holds_alternative<bool*>(slot)) return "true or false";
  if (std::holds_alternative<int*>(slot) || std::holds_alternative<int64_t*>(slot))
    return "a whole number" + in_words(range);
  if (std::holds_alternative<double*>(slot)) return "a number" + in_words(range);
  std::string words = choices.empty() ? "a text" : "";
  for (const std::string& choice : choices) words += (words.empty() ? "" : " or ") + choice;
  return words;
}

KeyValue Key::value() const {
  if (const auto* whole = std::get_if<int*>(&slot)) return int64_t{**whole};
  return std::visit([](auto* option) { return KeyValue(*option); }, slot);
}

std::string shown(const KeyValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&value)) return text_of(*number);
  return "\"" + std::get<std::string>(value) + "\"";
}

std::optional<std::string> KeySetter::put(const Key& key, const KeyValue& value) {
  const auto* given = std::get_if<int64_t>(&value);  // 5 for 5.0
  const auto whole = [&](auto* option) {
    if (!given || !in_range(key.range, static_cast<double>(*given))) return false;
    *option = static_cast<std::remove_pointer_t<decltype(option)>>(*given);
    return true;
  };
  bool fits = false;
  if (auto* const* flag = std::get_if<bool*>(&key.slot)) {
    fits = std::holds_alternative<bool>(value);
    if (fits) **flag = std::get<bool>(value);
  } else if (auto* const* small = std::get_if<int*>(&key.slot)) {
    fits = whole(*small);
  } else if (auto* const* large = std::get_if<int64_t*>(&key.slot)) {
    fits = whole(*large);
  } else if (auto* const* number = std::get_if<double*>(&key.slot)) {
    const auto* exact = std::get_if<double>(&value);
    const double wanted = given ? static_cast<double>(*given) : exact ? *exact : Range().high;
    fits = in_range(key.range, wanted);
    if (fits) **number = wanted;
  } else {
    const auto* text = std::get_if<std::string>(&value);
    fits = text && (key.choices.empty() ||
                    std::find(key.choices.begin(), key.choices.end(), *text) != key.choices.end());
    if (fits) *std::get<std::string*>(key.slot) = *text;
  }
  if (!fits) return key.key + " must be " + key.expected() + ", not " + shown(value);
  put_.push_back(key.key);
  return std::nullopt;
}

void KeySetter::finish() {
  const auto was_put = [&](const std::string& name) {
    return std::find(put_.begin(), put_.end(), name) != put_.end();
  };
  for (const Key& key : keys_) {
    if (key.resets.empty() || !was_put(key.key) || was_put(key.resets)) continue;
    *std::get<double*>(find_key(keys_, key.resets)->slot) = 0;
  }
}

void set(const Keys& keys, const std::string& name, const std::string& value) {
  const Key* key = find_key(keys, name);
  if (!key) throw std::invalid_argument("[train::set] " + unknown_key(keys, name));
  KeySetter setter(keys);
  if (const auto problem = setter.put(*key, parse_value(*key, value)))
    throw std::invalid_argument("[train::set] " + *problem);
  setter.finish();
}

}  // namespace vitrim::train
