#pragma once
// The results of a training run: one record per epoch, and the result of the whole run. The lines of the
// run's log hold the same records.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// One epoch. Values that were not measured are NaN, or an empty list.
struct EpochRecord {
  int64_t epoch = 0;         ///< number of finished epochs; the first record has 1
  int64_t step = 0;          ///< number of finished optimiser steps
  double loss = 0;           ///< mean of the training loss over the epoch's steps
  double learning_rate = 0;  ///< learning rate at its last step
  double lambda = 0;         ///< lambda of the dilution after its last step; 0 if nothing is diluted
  double images_per_second = 0;
  double memory_gib = 0;  ///< resident memory at its end
  double top1 =
      std::numeric_limits<double>::quiet_NaN();  ///< on the evaluation images, with the current weights
  double ema_top1 = std::numeric_limits<double>::quiet_NaN();  ///< the same with the averaged weights (EMA)
  std::optional<double> miou, ema_miou;  ///< the same for a model for segmentation, which has no top-1
  std::vector<double> attention_entropy,
      mlp_entropy;  ///< per layer, nats; NaN if a layer has none, or no longer has one
  double te =
      std::numeric_limits<double>::quiet_NaN();  ///< transfer entropy of the diluted set, in nats: the set
                                                 ///< dropped, against the model as it currently is

  /// The main accuracy of the epoch; NaN if it was not measured.
  double headline(bool averaged) const {
    return averaged ? ema_miou.value_or(ema_top1) : miou.value_or(top1);
  }
};

/// A training step that the log records.
struct StepRecord {
  int64_t epoch = 0;  ///< the epoch it belongs to, from 1
  int64_t step = 0;   ///< number of finished optimiser steps, over all epochs
  double loss = 0;    ///< loss of its batch
  double learning_rate = 0;
  double lambda = 0;
  double images_per_second = 0;  ///< since the previous line
  double memory_gib = 0;
};

/// The complete result of `vitrim train` or `vitrim dilute`.
struct TrainResult {
  Manifest manifest;
  std::string task;  ///< "train" or "dilute"
  std::string init;  ///< the checkpoint or spec that the run began with
  std::string output;
  std::string recipe;        ///< the resolved recipe, a JSON object
  std::vector<int> removed;  ///< attention layers that were diluted away
  std::string reason;        ///< how they were chosen
  std::vector<EpochRecord> epochs;
  int64_t chosen_epoch = 0;  ///< the epoch whose weights were exported
  double seconds = 0;
  std::optional<EvalResult> dense;       ///< the initial model, on the evaluation images
  std::optional<EvalResult> evaluation;  ///< the exported model, on the same images
  std::optional<PairedResult> paired;    ///< `evaluation` against `dense`
  std::vector<StepRecord> steps;         ///< only from a log; the JSON document does not hold them
};

/// One indented document with "kind": "train", and back. The reader throws FormatError as in
/// core/artifact_json.h.
std::string to_json(const TrainResult& result);
TrainResult train_result_from_json(std::string_view json, const std::string& source);

/// First line of a run's log, without its newline: the result without epochs, and "event": "start".
std::string log_header(const TrainResult& result);
/// Further lines, "event": "step" and "epoch".
std::string log_line(const StepRecord& record);
std::string log_line(const EpochRecord& record);
/// The record alone on one line.
std::string to_json_line(const EpochRecord& record);
EpochRecord epoch_record_from_json(std::string_view json, const std::string& source);

/// Whether `text` is the log of a run: its first line is a JSON object with an "event".
bool is_train_log(std::string_view text);
/// Reads a run from its log, whether the run is finished, killed or still going on: the header, the epochs
/// and the steps, but no final result. If a resumed run repeated a step, the later line counts. An incomplete
/// last line, which a kill cut off, is ignored. Throws FormatError with the number of the line.
TrainResult train_result_from_log(std::string_view lines, const std::string& source);

}  // namespace vitrim
