#pragma once
// Keys of recipe files and of --set: the names of a job's options in a TOML file, and the values that they
// accept.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vitrim::train {

/// The value that a file or a flag gives for a key.
using KeyValue = std::variant<bool, int64_t, double, std::string>;
/// The option that a key sets.
using KeySlot = std::variant<bool*, int*, int64_t*, double*, std::string*>;

/// The numbers that a key accepts.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool without_low = false, without_high = false;  ///< whether the end itself is excluded
};
constexpr Range at_least(double low) { return {low, Range().high, false, false}; }
constexpr Range above(double low) { return {low, Range().high, true, false}; }
constexpr Range between(double low, double high) { return {low, high, false, false}; }
constexpr Range from_to_below(double low, double high) { return {low, high, false, true}; }
constexpr Range above_up_to(double low, double high) { return {low, high, true, false}; }

/// A key, bound to an option that must outlive it.
struct Key {
  std::string key;  ///< "section.name"
  KeySlot slot;
  Range range{};                       ///< accepted range of a number
  std::vector<std::string> choices{};  ///< accepted texts; empty: any
  std::string help{};                  ///< a phrase for --help-all; empty for keys that it does not list
  /// The name of a numeric key that is reset to 0 if one file or flag sets this key but not that one; empty:
  /// none.
  std::string resets{};

  std::string section() const { return key.substr(0, key.find('.')); }
  std::string name() const { return key.substr(key.find('.') + 1); }
  /// "a whole number from 1 to 10", for messages.
  std::string expected() const;
  /// The current value of the option.
  KeyValue value() const;
};
/// Keys, section by section.
using Keys = std::vector<Key>;

/// The key with this name; nullptr if there is none.
const Key* find_key(const Keys& keys, std::string_view name);
/// The message `unknown key "x"; did you mean "y"?`.
std::string unknown_key(const Keys& keys, const std::string& name);
/// A value as text for messages.
std::string shown(const KeyValue& value);

/// Sets the keys of one source (a file, a flag), in any order.
class KeySetter {
 public:
  explicit KeySetter(const Keys& keys) : keys_(keys) {}
  /// Sets one key. If the value is not possible, returns a sentence with the reason and does not change the
  /// option.
  std::optional<std::string> put(const Key& key, const KeyValue& value);
  /// Call it last: applies Key::resets of the keys that were set.
  void finish();

 private:
  const Keys& keys_;
  std::vector<std::string> put_;
};

/// Sets one key to a value given as text. Throws std::invalid_argument that names the key (with the nearest
/// valid one) or its range.
void set(const Keys& keys, const std::string& key, const std::string& value);
/// Reads a TOML file, or a built-in recipe, and overwrites the options: read_recipe() with these keys.
void read_keys(const Keys& keys, const std::string& path);

}  // namespace vitrim::train
