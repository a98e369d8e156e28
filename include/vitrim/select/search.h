#pragma once
// Chooses which k layers to remove: greedy, beam and exact search over a SetScorer, and the quadratic
// surrogate for deep models.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

enum class Strategy { kGreedy, kBeam, kExact };

struct SearchOptions {
  Strategy strategy = Strategy::kExact;
  int count = 0;       ///< k, the number of layers to remove
  int beam_width = 2;  ///< number of sets kept per level (kBeam)
  int beam_candidates =
      0;  ///< kBeam and kGreedy build larger sets only from this number of best single layers; 0: from all
  int runners_up = 8;              ///< number of further sets to report
  int64_t max_exact_sets = 20000;  ///< with more sets than this, kExact throws std::invalid_argument
};

struct SearchResult {
  std::vector<ScoredSet>
      sets;  ///< best first; [0] is the choice. chosen_fraction is the share of resamples in which a set has
             ///< the lowest score of all scored sets of this size; unchanged if there are no replicates
  int64_t sets_scored = 0;  ///< number of scored sets of all sizes
};

/// Finds the set of `options.count` layers with the lowest score. Exact search scores every set of that size
/// in one call, so that prefixes are shared. Greedy search adds one layer at a time. Beam search keeps the
/// best `beam_width` sets per level and calls the scorer once per level. count = 0 gives the empty set. On a
/// tie the lexicographically smaller set wins; sets whose score is NaN come last. Throws
/// std::invalid_argument if count is negative or above the number of candidates, or if exact search has too
/// many sets.
SearchResult search(SetScorer& scorer, const SearchOptions& options);

/// The set of `count` layers that minimises |sum dH_i + sum w_ij| exactly, by branch and bound over sets,
/// with the pairwise interactions w_ij = dH({i,j}) - dH({i}) - dH({j}). `single[i]` is dH({i}) (signed),
/// `pair[i][j]` is w_ij (symmetric; only the upper triangle is read). Layers with `allowed[i]` false are left
/// out. On a tie the lexicographically smaller set wins. Worst-case time (half of the layers, sums around
/// zero, so that the bounds prune little): 24 layers 0.05 s, 28 layers 0.6 s, 32 layers 10 s. Throws
/// std::invalid_argument on sizes that differ, figures that are not finite, or a count out of range;
/// Interrupted after request_cancel().
LayerSet minimise_surrogate(const std::vector<double>& single, const std::vector<std::vector<double>>& pair,
                            const std::vector<bool>& allowed, int count);
/// The best `keep` sets of the surrogate (or all, if there are fewer), best first, to be scored with the true
/// score.
std::vector<LayerSet> best_surrogate_sets(const std::vector<double>& single,
                                          const std::vector<std::vector<double>>& pair,
                                          const std::vector<bool>& allowed, int count, int keep);

Strategy parse_strategy(
    const std::string& name);  ///< "greedy" | "beam" | "exact"; throws std::invalid_argument
std::string to_string(Strategy strategy);

}  // namespace vitrim::select
