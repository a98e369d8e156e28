#pragma once
// The valid combinations of flags: one table for all commands.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace vitrim::app {

/// A call of a command, as the rules see it.
class Asked {
 public:
  explicit Asked(const CLI::App& command);
  /// Whether the flag was passed with a value that is not empty; for a key or section of settings, whether
  /// --set names it.
  bool operator()(const std::string& name) const { return !passed(name).empty(); }
  /// The flag, or the key that --set names; empty if neither was passed.
  std::string passed(const std::string& name) const;
  /// The variable of a flag without a value; false if the flag was not passed.
  bool is(const std::string& flag) const;
  /// Whether the flag's value is the number 0.
  bool zero(const std::string& flag) const;
  /// The flag's value or its default; several values are joined by commas.
  std::string value(const std::string& flag) const;
  /// Whether the flag's value is a list that contains this part.
  bool lists(const std::string& flag, const std::string& part) const;

  bool removes = true;  ///< whether `sweep` removes layers; known only when the number of layers is
  bool prunes;          ///< whether channels have a target

 private:
  const CLI::App& command_;
};

/// A rule: flags that have an effect only in some calls of some commands.
struct FlagRule {
  std::vector<std::string> commands;
  /// The rule applies if any of these was passed; a name without dashes is a key or section of --set. Empty:
  /// the rule applies to every call.
  std::vector<std::string> flags;
  bool (*valid)(const Asked&);  ///< whether they have an effect in this call
  std::string sentence;         ///< message if they have none: `{}` is the flag, `{--name}` that flag's value
};

/// All rules, in the order in which they are checked.
const std::vector<FlagRule>& flag_rules();

/// Throws UsageError with the sentence of the first rule that the call breaks, std::logic_error if a rule
/// names a flag that its command does not have. Every command is checked before it runs; `sweep` is checked
/// again when it knows what it removes and prunes.
void check_flags(const CLI::App& command, const Asked& asked);
inline void check_flags(const CLI::App& command) { check_flags(command, Asked(command)); }

}  // namespace vitrim::app
