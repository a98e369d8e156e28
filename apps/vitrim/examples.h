#pragma once
// The examples at the end of each command's --help: complete commands on files of the repository.
// docs/commands/ is generated from the same help, and tests/docs runs all of them.

#include <CLI/CLI.hpp>

namespace vitrim::app {

/// Gives every subcommand of `app` its examples as a footer.
void add_examples(CLI::App& app);

}  // namespace vitrim::app
