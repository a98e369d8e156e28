#pragma once
// Everything a training run needs to go on where it was: weights, averages, the optimiser's memory, position,
// records. Random numbers need no state: they are functions of seed and position (streams.h).

#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/train_artifacts.h"
#include "vitrim/model/state_dict.h"
#include "vitrim/train/dilution.h"

namespace vitrim::train {

struct RunState {
  // Tensors by parameter name. `best` is empty where no epoch was chosen yet, `ema` where nothing is
  // averaged.
  model::StateDict weights, ema, best, first, second, steps;
  model::StateDict toward;   ///< how far an absorption moves weights; empty: there was none
  double moved_at = 1;       ///< lambda to which they have moved
  HeldOutLambda held_out;    ///< of dilution.schedule "held_out"
  int64_t epoch = 0;         ///< epochs finished
  int64_t batch = 0;         ///< batches of the next epoch that are done
  double loss_sum = 0;       ///< over those batches
  double train_seconds = 0;  ///< spent on those batches
  std::vector<EpochRecord> records;
  int64_t best_epoch = 0;
  bool finished = false;    ///< all epochs are done
  std::vector<int> dilute;  ///< layers that fade out
  int64_t log_bytes = 0;    ///< length of the log then
  std::string recipe;       ///< TOML, one key a line
  std::string identity;
  std::string spec;  ///< ModelSpec's JSON; of states that older versions wrote: empty
};

/// Written atomically, with a checksum of everything in it: a full disk or a kill leaves the last good one.
void save_run_state(const RunState& state, const std::string& path);
/// Throws FormatError where the file is damaged (its checksum differs) or says what can't be.
RunState load_run_state(const std::string& path);
/// The same without its tensors, which are most of the file, and without the checksum over them.
RunState load_run_position(const std::string& path);
/// What a state must hold to go on with a run.
struct RunShape {
  const model::StateDict& parameters;  ///< the model's
  int64_t epochs = 0, steps_per_epoch = 0;
  bool averages = false, keeps_best = false;
  const std::vector<int>& dilute;
};
/// Throws FormatError naming what is missing, surplus, out of range or of another shape.
void check_run_state(const RunState& state, const std::string& path, const RunShape& run);
/// Of two texts with one setting a line: `"A" where the command now says "B"` of the first line that differs;
/// empty where none does.
std::string first_difference(const std::string& then, const std::string& now);
/// Throws Error naming the first difference where a state does not belong to a run.
void check_same_run(const RunState& state, const std::string& path, const std::string& recipe,
                    const std::string& identity);

}  // namespace vitrim::train
