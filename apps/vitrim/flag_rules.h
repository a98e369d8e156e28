#pragma once
// The valid combinations of flags (vitrim/pipeline/option_rules.h), for the flags of a command.

#include <CLI/CLI.hpp>
#include <string>

#include "vitrim/pipeline/option_rules.h"

namespace vitrim::app {

/// The flags of a call. A rule that names a flag that the command does not have causes std::logic_error.
class AskedFlags : public pipeline::Asked {
 public:
  explicit AskedFlags(const CLI::App& command);
  std::string passed(const std::string& name) const override;
  bool is(const std::string& flag) const override;
  std::string value(const std::string& flag) const override;

 private:
  const CLI::App& command_;
};

/// Throws UsageError with the sentence of the first rule that the call breaks. Every command is checked
/// before it runs; `sweep` is checked again when it knows what it removes and prunes.
void check_flags(const CLI::App& command, const AskedFlags& asked);
inline void check_flags(const CLI::App& command) { check_flags(command, AskedFlags(command)); }

}  // namespace vitrim::app
