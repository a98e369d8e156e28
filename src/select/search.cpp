#include "vitrim/select/search.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <utility>

#include "select/combinations.h"
#include "vitrim/core/suggest.h"

namespace vitrim::select {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("[select::search] " + what); }

// Lower scores first; sets that could not be measured last.
bool lower(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return a < b;
}

bool better(const ScoredSet& a, const ScoredSet& b) {
  const double score_a = a.result.score.value, score_b = b.result.score.value;
  if (lower(score_a, score_b)) return true;
  if (lower(score_b, score_a)) return false;
  return a.result.layers < b.result.layers;
}

std::vector<int> checked_candidates(const SetScorer& scorer) {
  std::vector<int> candidates = scorer.candidates();
  std::sort(candidates.begin(), candidates.end());
  if (std::adjacent_find(candidates.begin(), candidates.end()) != candidates.end()) {
    fail("the scorer lists a candidate twice");
  }
  return candidates;
}

std::vector<ScoredSet> score_level(SetScorer& scorer, const std::vector<LayerSet>& sets,
                                   SearchResult& result) {
  std::vector<ScoredSet> scored = scorer.score(sets);
  if (scored.size() != sets.size()) {
    throw std::logic_error("[select::search] the scorer returned " + std::to_string(scored.size()) +
                           " results for " + std::to_string(sets.size()) + " sets");
  }
  for (size_t i = 0; i < sets.size(); ++i) scored[i].result.layers = sets[i];
  result.sets_scored += static_cast<int64_t>(sets.size());
  return scored;
}

// Every ascending set of `count` candidates, in lexicographic order.
std::vector<LayerSet> all_sets(const std::vector<int>& candidates, int count) {
  std::vector<int> picks(count);
  for (int i = 0; i < count; ++i) picks[i] = i;
  const int total = static_cast<int>(candidates.size());
  std::vector<LayerSet> sets;
  while (true) {
    LayerSet& set = sets.emplace_back();
    for (const int pick : picks) set.push_back(candidates[pick]);
    // The last position that can still move advances, and the positions after it follow directly.
    int place = count - 1;
    while (place >= 0 && picks[place] == total - count + place) --place;
    if (place < 0) return sets;
    ++picks[place];
    for (int after = place + 1; after < count; ++after) picks[after] = picks[after - 1] + 1;
  }
}

// Every set that has one candidate more than one of `kept`, each once.
std::vector<LayerSet> extensions(const std::vector<LayerSet>& kept, const std::vector<int>& candidates) {
  std::set<LayerSet> larger;
  for (const LayerSet& set : kept) {
    for (const int candidate : candidates) {
      const auto place = std::lower_bound(set.begin(), set.end(), candidate);
      if (place != set.end() && *place == candidate) continue;
      LayerSet extended = set;
      extended.insert(extended.begin() + (place - set.begin()), candidate);
      larger.insert(std::move(extended));
    }
  }
  return {larger.begin(), larger.end()};
}

// The share of image resamples in which each set is the best of these; it measures how much the choice
// depends on the images.
void fill_chosen_fractions(std::vector<ScoredSet>& sets) {
  const size_t resamples = sets.front().replicates.size();
  for (const ScoredSet& set : sets) {
    if (set.replicates.size() != resamples) {
      throw std::logic_error("[select::search] the scorer's sets have different numbers of resamples");
    }
  }
  if (resamples == 0) return;
  std::vector<int64_t> wins(sets.size());
  for (size_t r = 0; r < resamples; ++r) {
    size_t best = 0;
    for (size_t i = 1; i < sets.size(); ++i) {
      const double a = sets[i].replicates[r], b = sets[best].replicates[r];
      const bool tie_broken = !lower(b, a) && sets[i].result.layers < sets[best].result.layers;
      if (lower(a, b) || tie_broken) best = i;
    }
    // A resample without any measured score chooses no set.
    if (!std::isnan(sets[best].replicates[r])) ++wins[best];
  }
  for (size_t i = 0; i < sets.size(); ++i) {
    sets[i].result.chosen_fraction = static_cast<double>(wins[i]) / static_cast<double>(resamples);
  }
}

// The layers from which larger sets are built: those with the best single scores.
std::vector<int> promising(std::vector<ScoredSet> singles, const SearchOptions& options) {
  std::sort(singles.begin(), singles.end(), better);
  const int wanted = std::max(options.beam_candidates, options.count);
  if (options.beam_candidates > 0 && singles.size() > static_cast<size_t>(wanted))
    singles.resize(static_cast<size_t>(wanted));
  std::vector<int> layers;
  layers.reserve(singles.size());
  for (const ScoredSet& single : singles) layers.push_back(single.result.layers.front());
  std::sort(layers.begin(), layers.end());
  return layers;
}

}  // namespace

SearchResult search(SetScorer& scorer, const SearchOptions& options) {
  std::vector<int> candidates = checked_candidates(scorer);
  const int total = static_cast<int>(candidates.size());
  if (options.count < 0 || options.count > total) {
    fail("cannot remove " + std::to_string(options.count) + " layers: " + std::to_string(total) +
         " have attention");
  }
  if (options.runners_up < 0) fail("runners_up is negative");
  SearchResult result;
  std::vector<ScoredSet> level;
  if (options.count == 0) {
    level = score_level(scorer, {LayerSet()}, result);
  } else if (options.strategy == Strategy::kExact) {
    const int64_t most = std::max<int64_t>(options.max_exact_sets, 0);
    if (combinations(total, options.count, most + 1) > most) {
      fail("exact search would measure more than " + std::to_string(most) + " sets (" +
           std::to_string(options.count) + " of " + std::to_string(total) +
           " layers); use beam or greedy, or raise max_exact_sets");
    }
    level = score_level(scorer, all_sets(candidates, options.count), result);
  } else {
    const int width = options.strategy == Strategy::kGreedy ? 1 : options.beam_width;
    if (width < 1) fail("beam_width " + std::to_string(width) + " is not positive");
    std::vector<LayerSet> kept = {LayerSet()};
    for (int size = 1; size <= options.count; ++size) {
      level = score_level(scorer, extensions(kept, candidates), result);
      if (size == 1) candidates = promising(level, options);
      const size_t survivors = std::min<size_t>(width, level.size());
      std::partial_sort(level.begin(), level.begin() + static_cast<ptrdiff_t>(survivors), level.end(),
                        better);
      kept.clear();
      for (size_t i = 0; i < survivors; ++i) kept.push_back(level[i].result.layers);
    }
  }
  fill_chosen_fractions(level);
  std::sort(level.begin(), level.end(), better);
  level.resize(std::min<size_t>(level.size(), 1 + static_cast<size_t>(options.runners_up)));
  result.sets = std::move(level);
  return result;
}

Strategy parse_strategy(const std::string& name) {
  if (name == "greedy") return Strategy::kGreedy;
  if (name == "beam") return Strategy::kBeam;
  if (name == "exact") return Strategy::kExact;
  throw std::invalid_argument("[select::parse_strategy] unknown search \"" + name + "\"; did you mean \"" +
                              nearest(name, {"greedy", "beam", "exact"}) + "\"?");
}

std::string to_string(Strategy strategy) {
  switch (strategy) {
    case Strategy::kGreedy:
      return "greedy";
    case Strategy::kBeam:
      return "beam";
    case Strategy::kExact:
      return "exact";
  }
  throw std::invalid_argument("[select::to_string] no such strategy");
}

}  // namespace vitrim::select
