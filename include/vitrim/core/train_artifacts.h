#pragma once
// What a training run leaves: one record per epoch, and the result of the whole run. The same records
// are lines of the run's log.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim {

/// One epoch. What was not measured is NaN, or an empty list.
struct EpochRecord {
  int64_t epoch = 0;         ///< counts from 1: epochs done
  int64_t step = 0;          ///< optimiser steps done
  double loss = 0;           ///< mean over the epoch's steps, of what is minimised
  double learning_rate = 0;  ///< at its last step
  double lambda = 0;         ///< dilution after its last step; 0 where nothing is diluted
  double images_per_second = 0;
  double memory_gib = 0;                                   ///< resident set at its end
  double top1 = std::numeric_limits<double>::quiet_NaN();  ///< on the evaluation images, weights as they are
  double ema_top1 = std::numeric_limits<double>::quiet_NaN();  ///< the same, averaged weights
  std::optional<double> miou, ema_miou;  ///< the same of a model for segmentation, which has no top-1
  std::vector<double> attention_entropy,
      mlp_entropy;  ///< per layer, nats; NaN where a layer has none (any more)
  double te = std::numeric_limits<double>::quiet_NaN();  ///< transfer entropy of the diluted set: dropped
                                                         ///< against as it is now, nats

  /// The figure that judges the epoch; NaN where it was not measured.
  double headline(bool averaged) const {
    return averaged ? ema_miou.value_or(ema_top1) : miou.value_or(top1);
  }
};

/// A step that the log tells of.
struct StepRecord {
  int64_t epoch = 0;  ///< the epoch it belongs to, from 1
  int64_t step = 0;   ///< optimiser steps done, over all epochs
  double loss = 0;    ///< of its batch
  double learning_rate = 0;
  double lambda = 0;
  double images_per_second = 0;  ///< since the line before
  double memory_gib = 0;
};

/// Everything `vitrim train` or `vitrim dilute` did.
struct TrainResult {
  Manifest manifest;
  std::string task;  ///< "train" or "dilute"
  std::string init;  ///< checkpoint or spec it began with
  std::string output;
  std::string recipe;        ///< the resolved recipe, a JSON object
  std::vector<int> removed;  ///< attention layers that were diluted away
  std::string reason;        ///< how they were chosen
  std::vector<EpochRecord> epochs;
  int64_t chosen_epoch = 0;  ///< whose weights were exported
  double seconds = 0;
  std::optional<EvalResult> dense;       ///< the model it began with, on the evaluation images
  std::optional<EvalResult> evaluation;  ///< the exported model on them
  std::optional<PairedResult> paired;    ///< the second against the first
  std::vector<StepRecord> steps;         ///< from a log only; the document does not hold them
};

/// One indented document with "kind": "train"; back: FormatError as in core/artifact_json.h.
std::string to_json(const TrainResult& result);
TrainResult train_result_from_json(std::string_view json, const std::string& source);

/// First line of a run's log, without its end: the result without epochs, "event": "start".
std::string log_header(const TrainResult& result);
/// Further lines, "event": "step" and "epoch".
std::string log_line(const StepRecord& record);
std::string log_line(const EpochRecord& record);
/// The record alone on one line.
std::string to_json_line(const EpochRecord& record);
EpochRecord epoch_record_from_json(std::string_view json, const std::string& source);

/// Whether a text is a run's log: its first line is a JSON object with an "event".
bool is_train_log(std::string_view text);
/// A run as its log tells it, be it going on, killed or done: head, epochs and steps, nothing of the result.
/// Where a resumed run told a step again, the later line holds. A last line without its end that is no JSON
/// was cut off by a kill and is left out. FormatError with the line.
TrainResult train_result_from_log(std::string_view lines, const std::string& source);

}  // namespace vitrim
