#pragma once
// Which options of a command belong together: one table for all commands of the program, which the Python
// package reads too.

#include <string>
#include <vector>

namespace vitrim::pipeline {

/// A call of a command, as the rules see it. They name options as the program's flags ("--static"), and
/// settings by key ("fit.ridge") or section ("fit").
class Asked {
 public:
  virtual ~Asked() = default;
  /// The option, or the key that is meant by a key or section, as the caller spells it; empty if it was not
  /// passed, or passed with an empty value.
  virtual std::string passed(const std::string& name) const = 0;
  /// The variable of a flag without a value; false if the flag was not passed.
  virtual bool is(const std::string& flag) const = 0;
  /// The option's value or its default; several values are joined by commas.
  virtual std::string value(const std::string& flag) const = 0;

  bool operator()(const std::string& name) const { return !passed(name).empty(); }
  /// Whether the option's value is the number 0, or empty.
  bool zero(const std::string& flag) const;
  /// Whether the option's value is a list that contains this part.
  bool lists(const std::string& flag, const std::string& part) const;

  bool removes = true;  ///< whether `sweep` removes layers; known only when the number of layers is
  bool prunes = false;  ///< whether channels have a target
};

/// A rule: options that have an effect only in some calls of some commands.
struct OptionRule {
  std::vector<std::string> commands;
  /// The rule applies if any of these was passed. Empty: the rule applies to every call.
  std::vector<std::string> options;
  bool (*valid)(const Asked&);  ///< whether they have an effect in this call
  std::string sentence;  ///< message if they have none: `{}` is the option, `{--name}` that option's value
};

/// All rules, in the order in which they are checked.
const std::vector<OptionRule>& option_rules();

/// The sentence of the first rule that this call of `command` breaks; empty if it breaks none.
std::string broken_rule(const std::string& command, const Asked& asked);

}  // namespace vitrim::pipeline
