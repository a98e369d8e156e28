#pragma once
// `vitrim sweep` as a function: the Pareto front of accuracy against multiply-adds that removing attention,
// pruning channels and both draw.

#include <functional>
#include <string>
#include <vector>

#include "vitrim/pipeline/compress.h"

namespace vitrim::pipeline {

/// One model of a sweep.
struct SweepPoint {
  int removed = 0;     ///< how many attention layers go
  std::string target;  ///< MACs that channels are pruned to ("65%", "1.1G"; PruneOptions::attention_only says
                       ///< of what); empty: none are
  /// Nothing goes: a point only where what is written is int8.
  bool dense() const { return removed == 0 && target.empty(); }
};

/// Every number of layers with every target, in that order; the dense model only `with_dense`. "100%" counts
/// as no target. Throws std::invalid_argument on repeats, and where nothing is left.
std::vector<SweepPoint> sweep_points(const std::vector<int>& removed, const std::vector<std::string>& targets,
                                     bool with_dense = false);

/// "removed_2_attention_65" or "removed_0_macs_1.1G": a file's name, different for all points of a sweep.
std::string name_of(const SweepPoint& point, bool attention_only);

/// What compress() takes for `point`: `options` with the number of layers and the target put in.
CompressOptions options_of(const SweepPoint& point, const CompressOptions& options);

/// check_compress() for every point, with the point's name in what it throws.
void check_sweep(const ModelSpec& spec, const CompressOptions& options,
                 const std::vector<SweepPoint>& points);

/// Makes every point by compress() and hands it to `done`; layers are chosen once for every number of them,
/// and the dense model is evaluated once. The dense point is a copy of `dense`, not evaluated. All points go
/// through check_sweep() before any work. Costs a compress() a point.
void sweep(const model::Model& dense, const data::ImageBatch& calibration, const data::Dataset* evaluation,
           const eval::AccuracyOptions& accuracy, const CompressOptions& options,
           const std::vector<SweepPoint>& points,
           const std::function<void(const SweepPoint&, Compressed)>& done);

}  // namespace vitrim::pipeline
