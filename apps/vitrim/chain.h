#pragma once
// A chain of commands from a TOML file: what `vitrim run` does (docs/recipes.md).

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vitrim::app {

/// One step of a chain, resolved: everything that its command line says.
struct ChainStep {
  std::string name;     ///< unique in the chain; default: the command
  std::string command;  ///< "compress"
  int line = 0;         ///< in the file
  std::string from;     ///< name of the step whose model it takes; empty: the chain's own model
  /// Flags without dashes, those of the file and what the chain fills in, by name; empty value: a flag
  /// that is set.
  std::vector<std::pair<std::string, std::string>> flags;
};

/// A chain: `model`, `output`, `calib`, `eval` and `train` (for features) of the file or of the command line,
/// [all] flags, [[step]]s.
struct Chain {
  std::string source;  ///< the file, for messages
  std::string model, output, calib, eval, train;
  std::vector<ChainStep> steps;
};

/// What the command line says in place of the file; empty: what the file says.
struct ChainOverrides {
  std::string model, output, calib, eval, train;
};

/// Commands that a step may be.
const std::vector<std::string>& chain_commands();
/// Whether the command leaves a model that later steps take.
bool makes_model(const std::string& command);
/// Names of the chains that are built in.
std::vector<std::string> chain_names();

/// Reads a file, or the built-in chain of that name. `app` knows every command's flags. Throws FormatError
/// with the line for TOML that is none, unknown keys (with the nearest known one), commands and flags, values
/// that are no word, number, truth or list of these, and steps that refer to no earlier one; UsageError where
/// the model or images are named neither in the file nor in `overrides`.
Chain read_chain(const std::string& source, const ChainOverrides& overrides, const CLI::App& app);

/// Where a step's results lie: OUTPUT/01_NAME.
std::string step_folder(const Chain& chain, size_t step);
/// The model that a step leaves: OUTPUT/02_NAME/model/ (a folder as on model hubs), or export's file.
std::string step_model(const Chain& chain, size_t step);
/// The step's arguments, command first.
std::vector<std::string> step_arguments(const Chain& chain, size_t step);
/// One TOML document with everything that was filled in; reading it again gives the same chain.
std::string resolved(const Chain& chain);

}  // namespace vitrim::app
