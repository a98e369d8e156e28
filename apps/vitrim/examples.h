#pragma once
// What the end of each command's --help shows: whole commands on what the repository holds. docs/commands/ is
// made of the same help, and tests/docs runs every one of them.

#include <CLI/CLI.hpp>

namespace vitrim::app {

/// Gives every subcommand of `app` its examples as a footer.
void add_examples(CLI::App& app);

}  // namespace vitrim::app
