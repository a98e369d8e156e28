#pragma once
// Which k layers to remove: greedy, beam and exact search over a SetScorer, and the quadratic surrogate for deep models.

#include <cstdint>
#include <string>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

enum class Strategy { kGreedy, kBeam, kExact };

struct SearchOptions {
  Strategy strategy = Strategy::kExact;
  int count = 0;              ///< k, the number of layers to remove
  int beam_width = 4;         ///< sets kept per level (kBeam)
  int runners_up = 8;         ///< further sets reported
  int64_t max_exact_sets = 20000;  ///< above this, exact is refused with std::invalid_argument
};

struct SearchResult {
  std::vector<ScoredSet> sets;  ///< best first; [0] is the choice. chosen_fraction is filled in among the sets of this size scored
  int64_t sets_scored = 0;
};

/// Finds the set of `options.count` layers with the lowest score. Exact: every set of that size, handed to the scorer in one call so that
/// prefixes are shared. Greedy: one layer at a time. Beam: the best `beam_width` sets a level. count = 0 gives the empty set.
/// Throws std::invalid_argument where count is negative or above the number of candidates. Ties: the lexicographically smaller set.
SearchResult search(SetScorer& scorer, const SearchOptions& options);

/// Pairwise interactions w_ij = dH({i,j}) - dH({i}) - dH({j}) and the set of size k that minimises |sum dH_i + sum w_ij| exactly
/// (branch and bound over sets; at most 24 layers or so within a second).
/// `single[i]` is dH({i}) (signed), `pair[i][j]` is w_ij (symmetric, zero diagonal); layers with `allowed[i]` false are left out.
LayerSet minimise_surrogate(const std::vector<double>& single, const std::vector<std::vector<double>>& pair,
                            const std::vector<bool>& allowed, int count);
/// The best `keep` sets of the surrogate, best first, to be checked against the true score.
std::vector<LayerSet> best_surrogate_sets(const std::vector<double>& single, const std::vector<std::vector<double>>& pair,
                                          const std::vector<bool>& allowed, int count, int keep);

Strategy parse_strategy(const std::string& name);  ///< "greedy" | "beam" | "exact"; throws std::invalid_argument
std::string to_string(Strategy strategy);

}  // namespace vitrim::select
