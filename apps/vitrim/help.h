#pragma once
// Help that fits on a screen, and hints for a call with too few arguments.

#include <CLI/CLI.hpp>
#include <string>

namespace vitrim::app {

/// Adds --help-all to the program and to every subcommand that is added afterwards.
void add_help_all(CLI::App& app);
/// Hides the options that only --help-all shows, for the command that is parsed or for `command`.
void keep_short(CLI::App& app);
/// The text on standard error for `vitrim` and for `vitrim COMMAND` without any argument; empty if there were
/// arguments.
std::string first_help(CLI::App& app, int argc, char** argv);

}  // namespace vitrim::app
