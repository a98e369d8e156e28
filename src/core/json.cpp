#include "core/json.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "vitrim/core/error.h"
#include "vitrim/core/suggest.h"

namespace vitrim::json {

Place Place::at(std::string_view key) const {
  return {source, keys.empty() ? std::string(key) : keys + "." + std::string(key)};
}

void Place::fail(const std::string& what) const { throw FormatError(*source, keys, what); }

Json parse(std::string_view text, const std::string& source) {
  // The parser would keep one of two equal keys without a word.
  std::vector<std::set<std::string>> open_objects;
  const auto note = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects.pop_back();
    if (event == Json::parse_event_t::key && !open_objects.back().insert(value.get<std::string>()).second) {
      throw FormatError(source, value.get<std::string>(), "the key stands there twice");
    }
    return true;
  };
  try {
    return Json::parse(text, note);
  } catch (const Json::parse_error& error) {
    throw FormatError(source, "byte " + std::to_string(error.byte), "no valid JSON");
  } catch (const Json::exception&) {
    throw FormatError(source, "", "no valid JSON: a number is out of range");
  }
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void read(const Json& json, const Place& place, double& value) {
  if (json.is_null()) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (json.is_number()) {
    value = json.get<double>();
  } else {
    place.fail("expected a number");
  }
}

void read(const Json& json, const Place& place, int64_t& value) {
  if (!json.is_number_integer()) place.fail("expected a whole number");
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    place.fail("the number is too large");
  }
  value = json.get<int64_t>();
}

void read(const Json& json, const Place& place, uint64_t& value) {
  // Hand-built values are signed even where positive.
  if (!json.is_number_integer() || (!json.is_number_unsigned() && json.get<int64_t>() < 0)) {
    place.fail("expected a whole number that is not negative");
  }
  value = json.get<uint64_t>();
}

void read(const Json& json, const Place& place, int& value) {
  int64_t wide = 0;
  read(json, place, wide);
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) {
    place.fail("the number is too large");
  }
  value = static_cast<int>(wide);
}

void read(const Json& json, const Place& place, bool& value) {
  if (!json.is_boolean()) place.fail("expected true or false");
  value = json.get<bool>();
}

void read(const Json& json, const Place& place, std::string& value) {
  if (!json.is_string()) place.fail("expected a text");
  value = json.get<std::string>();
}

Object::Object(const Json& json, Place place) : json_(&json), place_(std::move(place)) {
  if (!json.is_object()) place_.fail("expected an object");
}

bool Object::has(const std::string& key) {
  known_.push_back(key);
  return json_->contains(key);
}

const Json& Object::at(const std::string& key) {
  if (!has(key)) place_.fail("key \"" + key + "\" is missing");
  return (*json_)[key];
}

void Object::finish() const {
  for (const auto& item : json_->items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) == known_.end()) {
      place_.at(item.key()).fail("unknown key; did you mean \"" + nearest(item.key(), known_) + "\"?");
    }
  }
}

int layer_number(const std::string& key, const Place& place) {
  int layer = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), layer);
  // Written back, since "00" and "-0" are numbers too and would stand beside "0".
  if (error != std::errc() || layer < 0 || std::to_string(layer) != key)
    place.fail("the key is no layer number");
  return layer;
}

Json document(const std::string& kind, int64_t version) {
  Json json;
  json["kind"] = kind;
  json["version"] = version;
  return json;
}

void check_document(Object& object, const std::string& kind, int64_t newest) {
  std::string found;
  object.get("kind", found);
  if (found != kind) object.place("kind").fail("expected \"" + kind + "\", found \"" + found + "\"");
  int64_t version = 0;
  object.get("version", version);
  if (version < 1) object.place("version").fail("no such version: " + std::to_string(version));
  if (version > newest) {
    object.place("version").fail("version " + std::to_string(version) +
                                 " is newer than this vitrim understands (" + std::to_string(newest) +
                                 "): update vitrim");
  }
}

}  // namespace vitrim::json
