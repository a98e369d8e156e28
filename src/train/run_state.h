#pragma once
// Everything that a training run needs to resume: weights, averages, the optimiser's state, position,
// records. Random numbers need no state, because they are functions of seed and position (streams.h).

#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/train_artifacts.h"
#include "vitrim/model/state_dict.h"
#include "vitrim/train/dilution.h"

namespace vitrim::train {

struct RunState {
  // Tensors by parameter name. `best` is empty if no epoch was chosen yet, `ema` if nothing is averaged.
  model::StateDict weights, ema, best, first, second, steps;
  model::StateDict
      toward;           ///< difference by which absorption moves each weight; empty: there is no absorption
  double moved_at = 1;  ///< lambda up to which the weights have moved
  HeldOutLambda held_out;    ///< state of dilution.schedule "held_out"
  int64_t epoch = 0;         ///< number of finished epochs
  int64_t batch = 0;         ///< finished batches of the next epoch
  double loss_sum = 0;       ///< sum of the loss over these batches
  double train_seconds = 0;  ///< seconds spent on these batches
  std::vector<EpochRecord> records;
  int64_t best_epoch = 0;
  bool finished = false;    ///< all epochs are done
  std::vector<int> dilute;  ///< layers that are diluted
  int64_t log_bytes = 0;    ///< length of the log at that time
  std::string recipe;       ///< TOML, one key per line
  std::string identity;
  std::string spec;  ///< ModelSpec as JSON; empty in states of older versions
};

/// Writes the state atomically, with a checksum of its contents; a full disk or a kill leaves the previous
/// state intact.
void save_run_state(const RunState& state, const std::string& path);
/// Reads a state. Throws FormatError if the file is damaged (its checksum differs) or contains impossible
/// values.
RunState load_run_state(const std::string& path);
/// The same without the tensors, which are most of the file, and without the checksum over them.
RunState load_run_position(const std::string& path);
/// The contents that a state must have for a run to resume.
struct RunShape {
  const model::StateDict& parameters;  ///< parameters of the model
  int64_t epochs = 0, steps_per_epoch = 0;
  bool averages = false, keeps_best = false;
  const std::vector<int>& dilute;
};
/// Throws FormatError that names what is missing, surplus, out of range or of another shape.
void check_run_state(const RunState& state, const std::string& path, const RunShape& run);
/// Compares two texts with one setting per line: returns `"A" where the command now says "B"` for the first
/// line that differs; empty if no line differs.
std::string first_difference(const std::string& then, const std::string& now);
/// Throws Error, with the first difference, if a state does not belong to a run.
void check_same_run(const RunState& state, const std::string& path, const std::string& recipe,
                    const std::string& identity);

}  // namespace vitrim::train
