#pragma once
// Which combinations of flags mean something: one table for all commands.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace vitrim::app {

/// What a call of a command asks for, as the rules see it.
class Asked {
 public:
  explicit Asked(const CLI::App& command);
  /// Whether the flag was passed, and not with an empty value; of a key or section of settings, whether --set
  /// names it.
  bool operator()(const std::string& name) const { return !passed(name).empty(); }
  /// The flag, or the key that --set names; empty where neither was passed.
  std::string passed(const std::string& name) const;
  /// What a passed flag without a value sets its variable to; false where it was not passed.
  bool is(const std::string& flag) const;
  /// Whether the flag's value is the number 0.
  bool zero(const std::string& flag) const;
  /// The flag's value or its default; of several values, with commas between.
  std::string value(const std::string& flag) const;
  /// Whether the list that is the flag's value names this part.
  bool lists(const std::string& flag, const std::string& part) const;

  bool removes = true;  ///< `sweep` asks for removed layers; known only when the number of layers is
  bool prunes;          ///< channels have a target

 private:
  const CLI::App& command_;
};

/// Flags that say something only in some calls of some commands.
struct FlagRule {
  std::vector<std::string> commands;
  /// Any of them, where it was passed; a name without dashes is a key or section of --set. Empty: the call as
  /// a whole.
  std::vector<std::string> flags;
  bool (*valid)(const Asked&);  ///< when they say something
  std::string sentence;         ///< of the refusal: `{}` is the flag, `{--name}` that flag's value
};

/// All of them, in the order in which they are checked.
const std::vector<FlagRule>& flag_rules();

/// UsageError with the sentence of the first rule that the call breaks. std::logic_error where a rule names a
/// flag that its command does not have. Every command is checked before it runs; `sweep` once more where it
/// knows what it removes and prunes.
void check_flags(const CLI::App& command, const Asked& asked);
inline void check_flags(const CLI::App& command) { check_flags(command, Asked(command)); }

}  // namespace vitrim::app
