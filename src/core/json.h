#pragma once
// Strict reading and plain writing of JSON, only for documents of this module (nlohmann-json stays out of the
// public headers).

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitrim::json {

/// Keeps the order of the keys.
using Json = nlohmann::ordered_json;

/// The place of a value, for messages: the file, and the keys that lead to the value ("te.drop.3").
struct Place {
  const std::string* source;
  std::string keys;
  Place at(std::string_view key) const;
  [[noreturn]] void fail(const std::string& what) const;
};

/// Parses a document; all modules parse JSON with this function only. Throws FormatError, with the byte
/// offset, if the text is not JSON, has a key twice, or is nested deeper than any document (100 levels). Time
/// and memory grow only with the length of the text.
Json parse(std::string_view text, const std::string& source);
/// The same for text that may not be JSON; then it returns nothing.
std::optional<Json> try_parse(std::string_view text);
/// The text of a document. NaN and infinities become null; invalid UTF-8 (in file names) is replaced.
std::string dump(const Json& json, int indent);

// Typed values; FormatError on another type or a number that does not fit.
void read(const Json& json, const Place& place, double& value);  ///< null reads as NaN
void read(const Json& json, const Place& place, int64_t& value);
void read(const Json& json, const Place& place, uint64_t& value);
void read(const Json& json, const Place& place, int& value);
void read(const Json& json, const Place& place, bool& value);
void read(const Json& json, const Place& place, std::string& value);

template <typename T>
void read(const Json& json, const Place& place, std::vector<T>& values) {
  if (!json.is_array()) place.fail("expected a list");
  values.clear();
  for (size_t i = 0; i < json.size(); ++i) {
    T value{};
    read(json[i], place.at(std::to_string(i)), value);
    values.push_back(std::move(value));
  }
}

template <typename T, size_t N>
void read(const Json& json, const Place& place, std::array<T, N>& values) {
  if (!json.is_array() || json.size() != N) place.fail("expected a list of " + std::to_string(N) + " values");
  for (size_t i = 0; i < N; ++i) read(json[i], place.at(std::to_string(i)), values[i]);
}

template <typename T>
void read(const Json& json, const Place& place, std::pair<T, T>& values) {
  std::array<T, 2> both{};
  read(json, place, both);
  values = {both[0], both[1]};
}

/// The members of one object. finish() rejects every key that was not read, with the nearest key that was.
class Object {
 public:
  Object(const Json& json, Place place);
  bool has(const std::string& key);
  /// A required member.
  const Json& at(const std::string& key);
  Place place(const std::string& key) const { return place_.at(key); }
  /// Reads a required member.
  template <typename T>
  void get(const std::string& key, T& value) {
    read(at(key), place(key), value);
  }
  /// Throws if there is a key that was not read. Call it last.
  void finish() const;

 private:
  const Json* json_;
  Place place_;
  std::vector<std::string> known_;
};

/// The layer of a key such as "3"; throws FormatError if the key is not a layer.
int layer_number(const std::string& key, const Place& place);

/// A map from layer numbers as keys: {"0": 1.5, "3": 2}.
template <typename T>
void read(const Json& json, const Place& place, std::map<int, T>& values) {
  if (!json.is_object()) place.fail("expected an object with layer numbers as keys");
  values.clear();
  for (const auto& [key, item] : json.items()) {
    const Place here = place.at(key);
    read(item, here, values[layer_number(key, here)]);
  }
}

/// The first members of a document: {"kind": ..., "version": ...}.
Json document(const std::string& kind, int64_t version);
/// Checks an object's "kind" and "version".
void check_document(Object& object, const std::string& kind, int64_t newest);

}  // namespace vitrim::json
