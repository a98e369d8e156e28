#pragma once
// Checks of values that the parser itself does not make.

#include <CLI/CLI.hpp>
#include <string>

namespace vitrim::app {

/// A sentence about the first wrong value of the parsed command line: an empty value (for example from an
/// unset shell variable), a number that is not finite, or a result (--json, --report) that would overwrite an
/// input of the command. Empty if all values are valid.
std::string wrong_value(const CLI::App& app);

/// The parser's message about a number, without the bounds of its type if any number is allowed.
std::string without_type_bounds(const std::string& message);

}  // namespace vitrim::app
