#pragma once
// A chain of commands from a TOML file, for `vitrim run` (docs/recipes.md).

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vitrim::app {

/// One step of a chain, resolved: everything on its command line.
struct ChainStep {
  std::string name;     ///< unique in the chain; default: the command
  std::string command;  ///< "compress"
  int line = 0;         ///< line in the file
  std::string from;     ///< name of the step whose model it reads; empty: the chain's own model
  /// Flags without dashes, by name, from the file and those that the chain fills in; an empty value means a
  /// flag without a value.
  std::vector<std::pair<std::string, std::string>> flags;
};

/// A chain: `model`, `output`, `calib`, `eval`, `train` (for features) and `classes` (the class list) from
/// the file or the command line, the flags of [all], and the [[step]]s.
struct Chain {
  std::string source;  ///< the file, for messages
  std::string model, output, calib, eval, train, classes;
  std::vector<ChainStep> steps;
};

/// Values from the command line that replace those of the file; empty: the file's value.
struct ChainOverrides {
  std::string model, output, calib, eval, train, classes;
};

/// The commands that a step can run.
const std::vector<std::string>& chain_commands();
/// Whether the command writes a model that later steps can read.
bool makes_model(const std::string& command);
/// The names of the built-in chains.
std::vector<std::string> chain_names();

/// Reads a file, or the built-in chain of that name. `app` has the flags of all commands. Throws FormatError,
/// with the line, for invalid TOML, for unknown keys (with the nearest known one), commands and flags, for
/// values that are not a string, number, boolean or list of these, and for a step that refers to a step which
/// is not before it. Throws UsageError if neither the file nor `overrides` gives the model or the images.
Chain read_chain(const std::string& source, const ChainOverrides& overrides, const CLI::App& app);

/// The folder of a step's results: OUTPUT/01_NAME.
std::string step_folder(const Chain& chain, size_t step);
/// The model that a step writes: OUTPUT/02_NAME/model/ (a folder as on model hubs), or the file of `export`.
std::string step_model(const Chain& chain, size_t step);
/// The arguments of the step, beginning with the command.
std::vector<std::string> step_arguments(const Chain& chain, size_t step);
/// One TOML document with all values filled in; reading it gives the same chain.
std::string resolved(const Chain& chain);

}  // namespace vitrim::app
