#pragma once
// Help that fits on a screen, and what is said to somebody who typed too little.

#include <CLI/CLI.hpp>
#include <string>

namespace vitrim::app {

/// --help-all, of the program and of every subcommand that is added afterwards.
void add_help_all(CLI::App& app);
/// Hides the options of the command that is parsed, or of `command`, that only --help-all shows.
void keep_short(CLI::App& app);
/// What is said on standard error to `vitrim` and to `vitrim COMMAND` without any argument; empty where there
/// were arguments.
std::string first_help(CLI::App& app, int argc, char** argv);

}  // namespace vitrim::app
