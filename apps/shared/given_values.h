#pragma once
// What the parser's own checks let through.

#include <CLI/CLI.hpp>
#include <string>

namespace vitrim::app {

/// What is wrong with the values of the parsed command line, in a sentence; empty where nothing is: an empty
/// value (a variable of a shell that is not set), a number that is not finite, a result (--json, --report)
/// that would replace what the command reads.
std::string wrong_value(const CLI::App& app);

/// The parser's message about a number that may be of any size, without the bounds of its type.
std::string without_type_bounds(const std::string& message);

}  // namespace vitrim::app
