#pragma once
// The one table of recipe keys, through which recipes are read, set, checked and written.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vitrim/train/recipe.h"

namespace vitrim::train {

/// What a file or a flag gives for a key.
using RecipeValue = std::variant<bool, int64_t, double, std::string>;
/// Where a key lives in a recipe.
using RecipeSlot = std::variant<bool*, int64_t*, double*, std::string*>;

/// Which numbers a key may have.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
  bool without_low = false, without_high = false;  ///< whether the ends themselves are out
};

struct RecipeField {
  std::string key;  ///< "section.name"
  RecipeSlot (*slot)(Recipe&);
  Range range{};                       ///< of numbers
  std::vector<std::string> choices{};  ///< of texts; empty: any

  std::string section() const { return key.substr(0, key.find('.')); }
  std::string name() const { return key.substr(key.find('.') + 1); }
  /// "a whole number from 1 to 10", for messages.
  std::string expected() const;
};

/// All keys, section by section.
const std::vector<RecipeField>& recipe_fields();
/// The field with this key; nullptr where there is none.
const RecipeField* find_field(std::string_view key);
/// `unknown key "x"; did you mean "y"?`
std::string unknown_key(const std::string& key);

/// A value read out of a recipe.
RecipeValue value_of(const Recipe& recipe, const RecipeField& field);
/// A value as a message shows it.
std::string shown(const RecipeValue& value);

/// Sets the keys of one source (a file, a flag), in any order.
class RecipeSetter {
 public:
  explicit RecipeSetter(Recipe& recipe) : recipe_(recipe) {}
  /// Sets one key, or tells in a sentence why the value is not possible and leaves the recipe as it is.
  std::optional<std::string> put(const RecipeField& field, const RecipeValue& value);
  /// Call last: a rate that the source gives beats the rule that the recipe had before.
  void finish();

 private:
  Recipe& recipe_;
  bool rate_ = false, rate_rule_ = false;
};

}  // namespace vitrim::train
