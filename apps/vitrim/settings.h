#pragma once
// Options of a job that have no flag: keys of the TOML file in --recipe, and of --set.

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "vitrim/absorb/absorb.h"
#include "vitrim/pipeline/prune.h"
#include "vitrim/train/keys.h"

namespace vitrim::app {

struct Settings {
  std::string recipe;             ///< --recipe
  std::vector<std::string> sets;  ///< --set section.key=value

  /// Adds --recipe and --set, and lists the keys with their current values under --help-all. The options that
  /// `keys` set must outlive the command.
  void add_to(CLI::App& command, const std::vector<train::Keys>& keys);
  /// Sets the options: first the file's keys, then those of --set, then `more`, pairs of key and value.
  /// `beside` lists further keys that the file and --set may contain. Throws UsageError if a key or value is
  /// wrong.
  void apply(const train::Keys& beside = {},
             const std::vector<std::pair<std::string, std::string>>& more = {}) const;
  /// The changed values among the keys of add_to().
  std::map<std::string, std::string> changed() const;

 private:
  train::Keys keys_;
  std::vector<train::KeyValue> usual_;
};

/// The keys of [fit]: the refit of MLPs and projections.
train::Keys fit_keys(absorb::AbsorbOptions& options);
/// The keys of [channels] and [indicators]: the choice of channels.
train::Keys channel_keys(pipeline::PruneOptions& options);

}  // namespace vitrim::app
