#pragma once
// Strict reading and plain writing of JSON, for this module's documents only (nlohmann-json stays out of the
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

/// Keeps the order in which keys were written.
using Json = nlohmann::ordered_json;

/// Where a value stands: the file, and the keys that lead to it ("te.drop.3"), for messages.
struct Place {
  const std::string* source;
  std::string keys;
  Place at(std::string_view key) const;
  [[noreturn]] void fail(const std::string& what) const;
};

/// Parses a document; the only way from text to a tree, here and in every module. FormatError with the byte
/// offset where it is no JSON, where it names a key twice, and where it is nested deeper than any document
/// (100 levels). Time and memory grow with the length of the text only.
Json parse(std::string_view text, const std::string& source);
/// The same for text that may be something else; nothing where it is.
std::optional<Json> try_parse(std::string_view text);
/// Text of a document. NaN and infinities become null; bytes that are no UTF-8 (file names) are replaced.
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

/// The members of one object. Every key must be asked for, or finish() rejects it with the nearest that was.
class Object {
 public:
  Object(const Json& json, Place place);
  bool has(const std::string& key);
  /// The member, which must be there.
  const Json& at(const std::string& key);
  Place place(const std::string& key) const { return place_.at(key); }
  /// Reads a required member.
  template <typename T>
  void get(const std::string& key, T& value) {
    read(at(key), place(key), value);
  }
  /// Throws where a key is left that nobody asked for. Call last.
  void finish() const;

 private:
  const Json* json_;
  Place place_;
  std::vector<std::string> known_;
};

/// The layer that a key such as "3" names; FormatError where it names none.
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

/// A document's opening: {"kind": ..., "version": ...}.
Json document(const std::string& kind, int64_t version);
/// Checks an object's "kind" and "version".
void check_document(Object& object, const std::string& kind, int64_t newest);

}  // namespace vitrim::json
