#pragma once
// Which k layers to remove: greedy, beam and exact search over a SetScorer, and the quadratic surrogate for
// deep models.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

enum class Strategy { kGreedy, kBeam, kExact };

struct SearchOptions {
  Strategy strategy = Strategy::kExact;
  int count = 0;       ///< k, the number of layers to remove
  int beam_width = 2;  ///< sets kept per level (kBeam)
  int beam_candidates =
      0;  ///< kBeam and kGreedy build larger sets from so many of the best single layers only; 0: all
  int runners_up = 8;              ///< further sets reported
  int64_t max_exact_sets = 20000;  ///< above this, exact is refused with std::invalid_argument
};

struct SearchResult {
  std::vector<ScoredSet>
      sets;  ///< best first; [0] is the choice. chosen_fraction: the share of resamples in which a set has
             ///< the lowest replicate of all sets of this size that were scored; untouched without replicates
  int64_t sets_scored = 0;  ///< of every size
};

/// Finds the set of `options.count` layers with the lowest score. Exact: every set of that size, handed to
/// the scorer in one call so that prefixes are shared. Greedy: one layer at a time. Beam: the best
/// `beam_width` sets a level, one call to the scorer each. count = 0 gives the empty set. Ties: the
/// lexicographically smaller set; sets whose score is NaN come last. Throws std::invalid_argument where count
/// is negative or above the number of candidates, or exact is too dear.
SearchResult search(SetScorer& scorer, const SearchOptions& options);

/// The set of `count` layers that minimises |sum dH_i + sum w_ij| exactly, with the pairwise interactions
/// w_ij = dH({i,j}) - dH({i}) - dH({j}): branch and bound over sets. `single[i]` is dH({i}) (signed),
/// `pair[i][j]` is w_ij (symmetric, of which the upper triangle is read); layers with `allowed[i]` false are
/// left out. Ties: the lexicographically smaller set. Cost at worst (sums around zero,
/// where bounds cut little, half of the layers): 24 layers 0.05 s, 28 layers 0.6 s, 32 layers 10 s.
/// Throws std::invalid_argument on sizes that differ, figures that are not finite, or a count out of
/// range; Interrupted after request_cancel().
LayerSet minimise_surrogate(const std::vector<double>& single, const std::vector<std::vector<double>>& pair,
                            const std::vector<bool>& allowed, int count);
/// The best `keep` sets of the surrogate (all, where there are fewer), best first, to be checked against the
/// true score.
std::vector<LayerSet> best_surrogate_sets(const std::vector<double>& single,
                                          const std::vector<std::vector<double>>& pair,
                                          const std::vector<bool>& allowed, int count, int keep);

Strategy parse_strategy(
    const std::string& name);  ///< "greedy" | "beam" | "exact"; throws std::invalid_argument
std::string to_string(Strategy strategy);

}  // namespace vitrim::select
