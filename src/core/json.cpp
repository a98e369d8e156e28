#include "core/json.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "vitrim/core/error.h"
#include "vitrim/core/suggest.h"

namespace vitrim::json {

Place Place::at(std::string_view key) const {
  return {source, keys.empty() ? std::string(key) : keys + "." + std::string(key)};
}

void Place::fail(const std::string& what) const { throw FormatError(*source, keys, what); }

namespace {

// Result documents and configurations are nested about ten levels deep. Code that walks a document (writing,
// comparing) is recursive, so a deep one would exhaust the stack.
constexpr size_t kDeepest = 100;

/// Builds the tree from the parser's events. nlohmann's own builder has no limit for the depth, silently
/// keeps one of two equal keys, and compares each new key with all before it, so that a megabyte of keys
/// takes it minutes.
class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit TreeBuilder(const std::string& source) : source_(source) {}
  Json root;

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return add(Json(value)); }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }  // does not occur in text
  bool start_object(size_t) override { return open(true); }
  bool start_array(size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& text) override {
    if (!open_.back().keys.insert(text).second) throw FormatError(source_, text, "the key occurs twice");
    open_.back().members.emplace_back(std::move(text), Json());
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    if (const auto* syntax = dynamic_cast<const nlohmann::json::parse_error*>(&error))
      throw FormatError(source_, "byte " + std::to_string(syntax->byte),
                        "not valid JSON; correct the file, or create it again");
    throw FormatError(source_, "", "not valid JSON: a number is out of range");
  }

 private:
  /// The state of a list or an object that is not finished yet.
  struct Open {
    bool is_object;
    std::vector<std::pair<std::string, Json>> members;
    std::unordered_set<std::string> keys;
    Json::array_t items;
  };

  bool add(Json value) {
    if (open_.empty())
      root = std::move(value);
    else if (open_.back().is_object)
      open_.back().members.back().second = std::move(value);
    else
      open_.back().items.push_back(std::move(value));
    return true;
  }

  bool open(bool is_object) {
    if (open_.size() == kDeepest)
      throw FormatError(source_, "",
                        "lists and objects are nested more than " + std::to_string(kDeepest) +
                            " deep, more than any document of this kind needs; create the file again");
    open_.push_back({is_object, {}, {}, {}});
    return true;
  }

  bool close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (!done.is_object) return add(Json(std::move(done.items)));
    Json object = Json::object();
    // Uses the vector inside the map, because the map's own emplace searches, and a growing vector would copy
    // its contents.
    auto& members = static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>());
    members.reserve(done.members.size());
    for (auto& [key, value] : done.members) members.emplace_back(std::move(key), std::move(value));
    return add(std::move(object));
  }

  const std::string& source_;
  std::vector<Open> open_;
};

}  // namespace

Json parse(std::string_view text, const std::string& source) {
  TreeBuilder builder(source);
  Json::sax_parse(text, &builder);
  return std::move(builder.root);
}

std::optional<Json> try_parse(std::string_view text) {
  try {
    return parse(text, "");
  } catch (const FormatError&) {
    return std::nullopt;
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
  // Values that code builds are signed even if positive.
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
  if (!json.is_string()) place.fail("expected a string");
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
  // The number is converted back to text, because "00" and "-0" are numbers too and would be accepted in
  // addition to "0".
  if (error != std::errc() || layer < 0 || std::to_string(layer) != key)
    place.fail("the key is not a layer number");
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
                                 " is newer than the newest that this vitrim supports (" +
                                 std::to_string(newest) + "): update vitrim");
  }
}

}  // namespace vitrim::json
