#pragma once
// `vitrim sweep` as a function: measures accuracy against multiply-adds for models with attention removed,
// channels pruned, or both.

#include <functional>
#include <string>
#include <vector>

#include "vitrim/pipeline/compress.h"

namespace vitrim::pipeline {

/// One model of a sweep.
struct SweepPoint {
  int removed = 0;     ///< number of attention layers to remove
  std::string target;  ///< the MACs that channels are pruned to ("65%", "1.1G"; PruneOptions::attention_only
                       ///< selects which MACs); empty: no channels are pruned
  /// Whether the point changes nothing. Such a point is useful only if the written models are int8.
  bool dense() const { return removed == 0 && target.empty(); }
};

/// All combinations of a number of layers and a target, in that order; the dense model is included only
/// `with_dense`. "100%" counts as no target. Throws std::invalid_argument on repeats, and if no point is
/// left.
std::vector<SweepPoint> sweep_points(const std::vector<int>& removed, const std::vector<std::string>& targets,
                                     bool with_dense = false);

/// A file name for the point, unique within a sweep: "removed_2_attention_65" or "removed_0_macs_1.1G".
std::string name_of(const SweepPoint& point, bool attention_only);

/// The options of compress() for `point`: `options` with its number of layers and its target.
CompressOptions options_of(const SweepPoint& point, const CompressOptions& options);

/// Runs check_compress() for every point and adds the point's name to the exception.
void check_sweep(const ModelSpec& spec, const CompressOptions& options,
                 const std::vector<SweepPoint>& points);

/// Makes every point with compress() and passes it to `done`. Layers are chosen once for each number of
/// layers, and the dense model is evaluated once. The dense point is a copy of `dense`, without evaluation.
/// All points go through check_sweep() before any work. Costs one compress() per point.
void sweep(const model::Model& dense, const data::ImageBatch& calibration, const data::Dataset* evaluation,
           const eval::AccuracyOptions& accuracy, const CompressOptions& options,
           const std::vector<SweepPoint>& points,
           const std::function<void(const SweepPoint&, Compressed)>& done);

}  // namespace vitrim::pipeline
