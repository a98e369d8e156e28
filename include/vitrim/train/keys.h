#pragma once
// Keys of recipe files and of --set: what a job's options are called in a TOML file, and which values they
// take.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vitrim::train {

/// What a file or a flag gives for a key.
using KeyValue = std::variant<bool, int64_t, double, std::string>;
/// The option that a key sets.
using KeySlot = std::variant<bool*, int*, int64_t*, double*, std::string*>;

/// Which numbers a key may have.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool without_low = false, without_high = false;  ///< whether the ends themselves are out
};
constexpr Range at_least(double low) { return {low, Range().high, false, false}; }
constexpr Range above(double low) { return {low, Range().high, true, false}; }
constexpr Range between(double low, double high) { return {low, high, false, false}; }
constexpr Range from_to_below(double low, double high) { return {low, high, false, true}; }
constexpr Range above_up_to(double low, double high) { return {low, high, true, false}; }

/// A key, bound to an option of somebody who outlives it.
struct Key {
  std::string key;  ///< "section.name"
  KeySlot slot;
  Range range{};                       ///< of numbers
  std::vector<std::string> choices{};  ///< of texts; empty: any
  std::string help{};                  ///< a phrase, for keys that --help-all lists
  /// A number that becomes 0 where a file or a flag sets this key and not that one; empty: none.
  std::string resets{};

  std::string section() const { return key.substr(0, key.find('.')); }
  std::string name() const { return key.substr(key.find('.') + 1); }
  /// "a whole number from 1 to 10", for messages.
  std::string expected() const;
  /// What the option is now.
  KeyValue value() const;
};
/// Section by section.
using Keys = std::vector<Key>;

/// The key of this name; nullptr where there is none.
const Key* find_key(const Keys& keys, std::string_view name);
/// `unknown key "x"; did you mean "y"?`
std::string unknown_key(const Keys& keys, const std::string& name);
/// A value as a message shows it.
std::string shown(const KeyValue& value);

/// Sets the keys of one source (a file, a flag), in any order.
class KeySetter {
 public:
  explicit KeySetter(const Keys& keys) : keys_(keys) {}
  /// Sets one key, or tells in a sentence why the value is not possible and leaves the option as it is.
  std::optional<std::string> put(const Key& key, const KeyValue& value);
  /// Call last: what a source gives beats the rule that stood before (Key::resets).
  void finish();

 private:
  const Keys& keys_;
  std::vector<std::string> put_;
};

/// Sets one key to a value given as text. Throws std::invalid_argument naming the key (with the nearest valid
/// one) or its range.
void set(const Keys& keys, const std::string& key, const std::string& value);
/// Reads a TOML file, or a recipe that is built in, over what the options are: read_recipe() with these keys.
void read_keys(const Keys& keys, const std::string& path);

}  // namespace vitrim::train
