#pragma once
// The interface that `select` searches with. analysis (transfer entropy) and absorb (the absorbed criterion)
// implement it.

#include <cstdint>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::select {

/// A set of attention layers, ascending.
using LayerSet = std::vector<int>;

/// One scored set; lower is better.
struct ScoredSet {
  SetResult result;
  std::vector<double> replicates;  ///< the score on each image resample; every set has the same resamples
};

/// Scores sets of removed layers. Implementations share the work on common prefixes between the sets of one
/// call.
class SetScorer {
 public:
  virtual ~SetScorer() = default;
  /// Number of blocks.
  virtual int num_layers() const = 0;
  /// The layers that can be removed (those that have attention).
  virtual std::vector<int> candidates() const = 0;
  /// Scores all sets, in the given order. Sets must be ascending, without repeats, and from candidates(); the
  /// empty set is allowed.
  virtual std::vector<ScoredSet> score(const std::vector<LayerSet>& sets) = 0;
  /// Number of block evaluations (one block on one batch) so far.
  virtual int64_t block_evaluations() const = 0;
};

}  // namespace vitrim::select
