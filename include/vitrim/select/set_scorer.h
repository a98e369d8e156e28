#pragma once
// What `select` searches over. analysis (transfer entropy) and absorb (the absorbed criterion) implement it.

#include <cstdint>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::select {

/// A set of attention layers, ascending.
using LayerSet = std::vector<int>;

/// One scored set; lower is better.
struct ScoredSet {
  SetResult result;
  std::vector<double>
      replicates;  ///< the score on each image resample; same length and same resamples for every set
};

/// Measures sets of removed layers. Implementations share the work of common masked prefixes among the sets
/// of one call.
class SetScorer {
 public:
  virtual ~SetScorer() = default;
  /// Number of blocks.
  virtual int num_layers() const = 0;
  /// Layers that can be removed (those that have attention).
  virtual std::vector<int> candidates() const = 0;
  /// Scores every set, in the given order. Sets are ascending, without repeats, drawn from candidates(); the
  /// empty set is allowed.
  virtual std::vector<ScoredSet> score(const std::vector<LayerSet>& sets) = 0;
  /// Block evaluations (one block on one batch) so far.
  virtual int64_t block_evaluations() const = 0;
};

}  // namespace vitrim::select
