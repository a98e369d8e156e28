#include "vitrim/select/search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>

#include "select/table_scorer.h"
#include "vitrim/core/random.h"

namespace vitrim::select {
namespace {

std::vector<int> first_numbers(int count) {
  std::vector<int> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// An arbitrary but repeatable value for a set.
double random_value(const LayerSet& set, uint64_t seed) {
  uint64_t key = seed << 32;  // above the bits of the set, so that no two sets share a value
  for (const int layer : set) key |= uint64_t{1} << layer;
  return Random(seed, key + 1).uniform();
}

TableScorer random_scorer(int layers, uint64_t seed, int resamples = 0) {
  return TableScorer(layers, first_numbers(layers), [=](const LayerSet& set) {
    ScoredSet scored;
    scored.result.score.value = random_value(set, seed);
    for (int r = 0; r < resamples; ++r) scored.replicates.push_back(random_value(set, seed + 1000 + r));
    return scored;
  });
}

// All sets of `count` out of 0..layers-1, by counting through bit masks: an independent, slow and simple way.
std::vector<LayerSet> every_set(int layers, int count) {
  std::vector<LayerSet> sets;
  for (uint32_t mask = 0; mask < (1U << layers); ++mask) {
    LayerSet set;
    for (int i = 0; i < layers; ++i) {
      if (mask >> i & 1) set.push_back(i);
    }
    if (static_cast<int>(set.size()) == count) sets.push_back(set);
  }
  return sets;
}

SearchOptions options_for(Strategy strategy, int count) {
  SearchOptions options;
  options.strategy = strategy;
  options.count = count;
  return options;
}

TEST(Search, ExactIsBruteForce) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (int layers = 1; layers <= 10; ++layers) {
      for (int count = 1; count <= layers; ++count) {
        TableScorer scorer = random_scorer(layers, seed);
        const SearchResult result = search(scorer, options_for(Strategy::kExact, count));
        std::set<std::pair<double, LayerSet>> ranked;
        for (const LayerSet& set : every_set(layers, count)) ranked.emplace(random_value(set, seed), set);
        ASSERT_EQ(result.sets.size(), std::min<size_t>(9, ranked.size()));
        auto expected = ranked.begin();
        for (const ScoredSet& found : result.sets) {
          EXPECT_EQ(found.result.layers, expected->second);
          EXPECT_EQ(found.result.score.value, expected->first);
          ++expected;
        }
        // One call, so that the scorer can share prefixes, with every set once.
        ASSERT_EQ(scorer.calls.size(), 1);
        EXPECT_EQ(std::set<LayerSet>(scorer.calls[0].begin(), scorer.calls[0].end()).size(), ranked.size());
        EXPECT_EQ(scorer.calls[0].size(), ranked.size());
        EXPECT_EQ(result.sets_scored, static_cast<int64_t>(ranked.size()));
      }
    }
  }
}

TEST(Search, WideBeamIsExact) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (int count = 1; count <= 8; ++count) {
      TableScorer scorer = random_scorer(8, seed);
      SearchOptions options = options_for(Strategy::kBeam, count);
      options.beam_width = 1000;
      options.runners_up = 1000;
      const SearchResult beam = search(scorer, options);
      options.strategy = Strategy::kExact;
      const SearchResult exact = search(scorer, options);
      ASSERT_EQ(beam.sets.size(), exact.sets.size());
      for (size_t i = 0; i < exact.sets.size(); ++i)
        EXPECT_EQ(beam.sets[i].result.layers, exact.sets[i].result.layers);
    }
  }
}

TEST(Search, NothingBeatsExactAndWidthsAreOrderedInWork) {
  int greedy_misses = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (int count = 1; count <= 6; ++count) {
      TableScorer scorer = random_scorer(9, seed);
      const double exact = search(scorer, options_for(Strategy::kExact, count)).sets[0].result.score.value;
      const SearchResult greedy = search(scorer, options_for(Strategy::kGreedy, count));
      const SearchResult beam = search(scorer, options_for(Strategy::kBeam, count));
      EXPECT_GE(greedy.sets[0].result.score.value, exact);
      EXPECT_GE(beam.sets[0].result.score.value, exact);
      EXPECT_LE(greedy.sets_scored, beam.sets_scored);
      greedy_misses += greedy.sets[0].result.score.value > exact;
    }
  }
  // On unrelated values, greedy search must often miss the best set; otherwise this would compare the search
  // with itself.
  EXPECT_GT(greedy_misses, 20);
}

TEST(Search, GreedyTakesOneLayerAtATime) {
  TableScorer scorer = random_scorer(9, 4);
  const SearchResult result = search(scorer, options_for(Strategy::kGreedy, 4));
  ASSERT_EQ(scorer.calls.size(), 4);
  LayerSet expected;
  for (int size = 1; size <= 4; ++size) {
    EXPECT_EQ(scorer.calls[size - 1].size(), static_cast<size_t>(9 - size + 1));
    LayerSet best;
    for (int layer = 0; layer < 9; ++layer) {
      LayerSet set = expected;
      if (std::find(set.begin(), set.end(), layer) != set.end()) continue;
      set.push_back(layer);
      std::sort(set.begin(), set.end());
      if (best.empty() || random_value(set, 4) < random_value(best, 4)) best = set;
    }
    expected = best;
  }
  EXPECT_EQ(result.sets[0].result.layers, expected);
  EXPECT_EQ(result.sets_scored, 9 + 8 + 7 + 6);
}

TEST(Search, BeamKeepsItsWidthAndNoDoubles) {
  TableScorer scorer = random_scorer(9, 5);
  SearchOptions options = options_for(Strategy::kBeam, 3);
  options.beam_width = 3;
  search(scorer, options);
  ASSERT_EQ(scorer.calls.size(), 3);
  EXPECT_EQ(scorer.calls[0].size(), 9);
  for (const auto& call : scorer.calls) {
    EXPECT_EQ(std::set<LayerSet>(call.begin(), call.end()).size(), call.size());
    for (const LayerSet& set : call) EXPECT_TRUE(std::is_sorted(set.begin(), set.end()));
  }
  // Three sets, eight or seven ways on each, less what two have in common.
  EXPECT_LE(scorer.calls[1].size(), 24);
  EXPECT_GE(scorer.calls[1].size(), 24 - 3);
  EXPECT_LE(scorer.calls[2].size(), 21);
}

TEST(Search, OnlyCandidatesAreRemoved) {
  TableScorer scorer(12, {9, 2, 5, 11}, [](const LayerSet& set) {
    ScoredSet scored;
    scored.result.score.value = random_value(set, 6);
    return scored;
  });
  for (const Strategy strategy : {Strategy::kGreedy, Strategy::kBeam, Strategy::kExact}) {
    const SearchResult result = search(scorer, options_for(strategy, 3));
    for (const ScoredSet& found : result.sets) {
      EXPECT_TRUE(std::is_sorted(found.result.layers.begin(), found.result.layers.end()));
      for (const int layer : found.result.layers) EXPECT_TRUE(std::set<int>({2, 5, 9, 11}).contains(layer));
    }
    EXPECT_EQ(search(scorer, options_for(strategy, 4)).sets[0].result.layers, (LayerSet{2, 5, 9, 11}));
  }
}

TEST(Search, CountZeroIsTheEmptySet) {
  for (const Strategy strategy : {Strategy::kGreedy, Strategy::kBeam, Strategy::kExact}) {
    TableScorer scorer = random_scorer(5, 1, 3);
    const SearchResult result = search(scorer, options_for(strategy, 0));
    ASSERT_EQ(result.sets.size(), 1);
    EXPECT_TRUE(result.sets[0].result.layers.empty());
    EXPECT_EQ(result.sets[0].result.chosen_fraction, 1);
    EXPECT_EQ(result.sets_scored, 1);
  }
}

TEST(Search, TiesGoToTheSmallerSet) {
  for (const Strategy strategy : {Strategy::kGreedy, Strategy::kBeam, Strategy::kExact}) {
    TableScorer scorer(6, {5, 4, 3, 2, 1, 0}, [](const LayerSet&) { return ScoredSet(); });
    const SearchResult result = search(scorer, options_for(strategy, 2));
    EXPECT_EQ(result.sets[0].result.layers, (LayerSet{0, 1}));
    EXPECT_EQ(result.sets[1].result.layers, (LayerSet{0, 2}));
  }
}

TEST(Search, NaNComesLast) {
  for (const Strategy strategy : {Strategy::kGreedy, Strategy::kBeam, Strategy::kExact}) {
    // NaN for everything with layer 0 or 1 but the pair {2, 3}; the tie rule alone would put those first.
    TableScorer scorer(4, first_numbers(4), [](const LayerSet& set) {
      ScoredSet scored;
      scored.result.score.value = set[0] < 2 ? std::numeric_limits<double>::quiet_NaN() : set[0];
      return scored;
    });
    const SearchResult result = search(scorer, options_for(strategy, 2));
    EXPECT_EQ(result.sets[0].result.layers, (LayerSet{2, 3}));
    EXPECT_TRUE(std::isnan(result.sets.back().result.score.value));
  }
  TableScorer hopeless(4, first_numbers(4), [](const LayerSet&) {
    ScoredSet scored;
    scored.result.score.value = std::numeric_limits<double>::quiet_NaN();
    scored.replicates = {std::numeric_limits<double>::quiet_NaN()};
    return scored;
  });
  const SearchResult result = search(hopeless, options_for(Strategy::kExact, 2));
  EXPECT_EQ(result.sets[0].result.layers, (LayerSet{0, 1}));
  EXPECT_EQ(result.sets[0].result.chosen_fraction, 0);
}

TEST(Search, ChosenFractionCountsResamplesWon) {
  constexpr int kResamples = 200;
  TableScorer scorer = random_scorer(7, 8, kResamples);
  SearchOptions options = options_for(Strategy::kExact, 3);
  options.runners_up = 1000;
  const SearchResult result = search(scorer, options);
  double sum = 0;
  for (const ScoredSet& found : result.sets) {
    int wins = 0;
    for (int r = 0; r < kResamples; ++r) {
      bool best = true;
      for (const LayerSet& other : every_set(7, 3)) {
        best = best && found.replicates[r] <= random_value(other, 8 + 1000 + r);
      }
      wins += best;
    }
    EXPECT_DOUBLE_EQ(found.result.chosen_fraction, wins / double{kResamples});
    sum += found.result.chosen_fraction;
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Search, ChosenFractionIsAmongAllScoredNotAmongReported) {
  // The reported set is best on average and never on a resample.
  TableScorer scorer(3, first_numbers(3), [](const LayerSet& set) {
    ScoredSet scored;
    scored.result.score.value = set[0] == 0 ? 0 : 1;
    scored.replicates = {set[0] == 0 ? 1.0 : 0.0, set[0] == 0 ? 1.0 : 0.0};
    return scored;
  });
  SearchOptions options = options_for(Strategy::kExact, 1);
  options.runners_up = 0;
  const SearchResult alone = search(scorer, options);
  ASSERT_EQ(alone.sets.size(), 1);
  EXPECT_EQ(alone.sets[0].result.chosen_fraction, 0);
  options.runners_up = 1;
  const SearchResult two = search(scorer, options);
  ASSERT_EQ(two.sets.size(), 2);
  EXPECT_EQ(two.sets[1].result.chosen_fraction, 1);  // the tie between {1} and {2} goes to {1}
}

TEST(Search, BadOptions) {
  TableScorer scorer = random_scorer(24, 1);
  EXPECT_THROW(search(scorer, options_for(Strategy::kExact, -1)), std::invalid_argument);
  EXPECT_THROW(search(scorer, options_for(Strategy::kGreedy, 25)), std::invalid_argument);
  EXPECT_THROW(search(scorer, options_for(Strategy::kExact, 12)), std::invalid_argument);
  SearchOptions options = options_for(Strategy::kBeam, 2);
  options.beam_width = 0;
  EXPECT_THROW(search(scorer, options), std::invalid_argument);
  options.beam_width = 1;
  options.runners_up = -1;
  EXPECT_THROW(search(scorer, options), std::invalid_argument);
  EXPECT_TRUE(scorer.calls.empty());
  // The limit itself is allowed: 24 over 2 is 276.
  options = options_for(Strategy::kExact, 2);
  options.max_exact_sets = 275;
  EXPECT_THROW(search(scorer, options), std::invalid_argument);
  options.max_exact_sets = 276;
  EXPECT_EQ(search(scorer, options).sets_scored, 276);
}

TEST(Search, StrategyNames) {
  for (const Strategy strategy : {Strategy::kGreedy, Strategy::kBeam, Strategy::kExact}) {
    EXPECT_EQ(parse_strategy(to_string(strategy)), strategy);
  }
  EXPECT_THROW(parse_strategy("exat"), std::invalid_argument);
  EXPECT_THROW(parse_strategy(""), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::select
