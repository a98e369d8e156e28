#pragma once
// One list of a struct's fields, for reading and writing:
//
//   void fields(auto& f, json::Is<Spectrum> auto& spectrum) {
//     f("radii", spectrum.radii);
//     f("log_amplitude", spectrum.log_amplitude);
//   }
//
// If f is a Writer, it makes an object from the struct; if f is a Reader, it fills the struct from an object.
// A field is anything with write() and read(): plain values, containers of them, structs with their own list
// of fields, and shapes, which refer to a member whose form in the document differs (artifact_shapes.h).

#include <concepts>
#include <optional>
#include <type_traits>

#include "core/json.h"

namespace vitrim::json {

/// Struct when reading, const Struct when writing.
template <typename T, typename Struct>
concept Is = std::same_as<std::remove_const_t<T>, Struct>;

class Writer;

/// A struct with a list of fields.
template <typename T>
concept Listed = requires(Writer& f, const T& value) { fields(f, value); };

// Declared before they call each other.
template <typename T>
Json write(const T& value);
template <Listed T>
Json write(const T& value);
template <typename T>
Json write(const std::optional<T>& value);
template <typename T>
Json write(const std::vector<T>& values);
template <typename T>
Json write(const std::map<int, T>& values);
template <typename T>
Json write(const std::map<std::string, T>& values);

/// Builds an object, in the order of the fields.
class Writer {
 public:
  explicit Writer(Json object = Json::object()) : json_(std::move(object)) {}

  template <typename T>
  void operator()(const std::string& name, const T& value) {
    json_[name] = write(value);
  }
  /// A field that is omitted if it has no value. Without this it is null.
  template <typename T>
  void if_any(const std::string& name, const std::optional<T>& value) {
    if (value) (*this)(name, *value);
  }
  /// A field that is omitted if it has this value. `formerly` is its name in older documents.
  template <typename T>
  void unless(const std::string& name, const T& value, const T& usual, const char* /*formerly*/ = "") {
    if (!(value == usual)) (*this)(name, value);
  }
  /// A field that is omitted if `said` is false; its value is then the member's default.
  template <typename T>
  void when(bool said, const std::string& name, const T& value) {
    if (said) (*this)(name, value);
  }
  /// A nested object, whose fields `list` passes to the f that it is given.
  template <typename List>
  void group(const std::string& name, const List& list) {
    Writer inner;
    list(inner);
    json_[name] = std::move(inner.json_);
  }
  /// The first entry of a list.
  void document(const std::string& kind, int64_t version) { json_ = json::document(kind, version); }
  const Json& json() const { return json_; }

 private:
  Json json_;
};

/// Reads an object that Writer builds. Every field must exist, and finish() rejects others.
class Reader : public Object {
 public:
  using Object::Object;

  template <typename T>
  void operator()(const std::string& name, T&& value) {
    get(name, value);
  }
  template <typename T>
  void if_any(const std::string& name, std::optional<T>& value) {
    if (has(name)) get(name, value.emplace());
  }
  template <typename T>
  void unless(const std::string& name, T& value, const T& usual, const std::string& formerly = "") {
    value = usual;
    if (has(name)) {
      get(name, value);
    } else if (!formerly.empty() && has(formerly)) {
      get(formerly, value);
    }
  }
  template <typename T>
  void when(bool, const std::string& name, T&& value) {
    if (has(name)) get(name, value);
  }
  template <typename List>
  void group(const std::string& name, const List& list) {
    Reader inner(at(name), place(name));
    list(inner);
    inner.finish();
  }
  void document(const std::string& kind, int64_t version) { check_document(*this, kind, version); }
};

template <typename T>
Json write(const T& value) {
  return value;
}

template <Listed T>
Json write(const T& value) {
  Writer f;
  fields(f, value);
  return f.json();
}

template <typename T>
Json write(const std::optional<T>& value) {
  return value ? write(*value) : Json();
}

template <typename T>
Json write(const std::vector<T>& values) {
  Json json = Json::array();
  for (const T& value : values) json.push_back(write(value));
  return json;
}

template <typename T>
Json write(const std::map<int, T>& values) {
  Json json = Json::object();
  for (const auto& [layer, value] : values) json[std::to_string(layer)] = write(value);
  return json;
}

template <typename T>
Json write(const std::map<std::string, T>& values) {
  Json json = Json::object();
  for (const auto& [key, value] : values) json[key] = write(value);
  return json;
}

template <Listed T>
void read(const Json& json, const Place& place, T& value) {
  Reader f(json, place);
  fields(f, value);
  f.finish();
}

template <typename T>
void read(const Json& json, const Place& place, std::optional<T>& value) {
  value.reset();
  if (!json.is_null()) read(json, place, value.emplace());
}

template <typename T>
void read(const Json& json, const Place& place, std::map<std::string, T>& values) {
  if (!json.is_object()) place.fail("expected an object");
  values.clear();
  for (const auto& item : json.items()) read(item.value(), place.at(item.key()), values[item.key()]);
}

template <typename T>
T from_text(std::string_view text, const std::string& source) {
  T value;
  read(parse(text, source), Place{&source, ""}, value);
  return value;
}

}  // namespace vitrim::json
