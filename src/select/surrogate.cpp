// Branch and bound over sets for min |sum dH_i + sum w_ij|. Sets are visited in lexicographic order. Adding a
// layer costs O(n), because every layer's gain (its own term and its interactions with the layers chosen so
// far) is updated. A subtree is skipped if the signed sum provably stays so far on one side of zero that none
// of its sets can be among the best.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "select/combinations.h"
#include "vitrim/core/log.h"
#include "vitrim/select/search.h"

namespace vitrim::select {
namespace {

// Below this number of sets, evaluating each one is cheaper than a bound.
constexpr int64_t kSetsWorthABound = 64;

class Minimiser {
 public:
  Minimiser(std::vector<double> single, std::vector<std::vector<double>> pair, int count, int keep)
      : size_(static_cast<int>(single.size())),
        count_(count),
        keep_(static_cast<size_t>(keep)),
        pair_(std::move(pair)),
        gains_(count + 1, std::vector<double>(single.size())) {
    double magnitude = 0;
    for (int i = 0; i < size_; ++i) {
      magnitude += std::abs(single[i]);
      for (int j = i + 1; j < size_; ++j) magnitude += std::abs(pair_[i][j]);
    }
    // Sums and bounds are computed in different orders. Each has fewer than n^2 terms, so this covers the
    // rounding of both.
    slack_ = 2.0 * size_ * (size_ + 1) * std::numeric_limits<double>::epsilon() * magnitude;
    gains_[0] = std::move(single);
    fill_interaction_bounds();
    scratch_.resize(size_);
  }

  std::vector<LayerSet> run() {
    descend(0, 0.0);
    std::sort(best_.begin(), best_.end());
    std::vector<LayerSet> sets;
    for (auto& [value, set] : best_) sets.push_back(std::move(set));
    return sets;
  }

 private:
  // Bounds on half of the interaction gain of layer i with `others` further layers at or after `first`: the
  // sum of its smallest (largest) interactions. It is a half, because the other layer of each pair counts the
  // other half.
  struct Bounds {
    double low = 0;
    double high = 0;
  };

  Bounds& interaction_bounds(int first, int others, int i) {
    return bounds_[(first * count_ + others) * size_ + i];
  }

  void fill_interaction_bounds() {
    bounds_.resize(static_cast<size_t>(size_) * count_ * size_);
    std::vector<double> weights;
    for (int first = 0; first < size_; ++first) {
      for (int i = first; i < size_; ++i) {
        weights.clear();
        for (int j = first; j < size_; ++j) {
          if (j != i) weights.push_back(pair_[i][j] / 2);
        }
        std::sort(weights.begin(), weights.end());
        const int available = static_cast<int>(weights.size());
        Bounds sum;
        for (int others = 1; others < count_ && others <= available; ++others) {
          sum.low += weights[others - 1];
          sum.high += weights[available - others];
          interaction_bounds(first, others, i) = sum;
        }
      }
    }
  }

  // A lower bound of the sum over all ways to choose `missing` layers at or after `first`, or minus the upper
  // bound.
  double bound(int first, int missing, const std::vector<double>& gain, double sum, bool upper) {
    const auto begin = scratch_.begin();
    for (int i = first; i < size_; ++i) {
      const Bounds& interaction = interaction_bounds(first, missing - 1, i);
      scratch_[i - first] = upper ? -(gain[i] + interaction.high) : gain[i] + interaction.low;
    }
    const auto end = begin + (size_ - first);
    if (missing < size_ - first) std::nth_element(begin, begin + missing, end);
    double total = upper ? -sum : sum;
    for (int i = 0; i < missing; ++i) total += scratch_[i];
    return total;
  }

  bool hopeless(int first, int missing, const std::vector<double>& gain, double sum) {
    if (best_.size() < keep_ || combinations(size_ - first, missing, kSetsWorthABound) < kSetsWorthABound)
      return false;
    // Only strictly worse sets can be skipped. An equal one would lose too, because it comes later in
    // lexicographic order, but rounding may hide that.
    const double worst = best_.front().first + slack_;
    return bound(first, missing, gain, sum, false) > worst || bound(first, missing, gain, sum, true) > worst;
  }

  void offer(double value) {
    if (best_.size() == keep_) {
      if (value >= best_.front().first) return;
      std::pop_heap(best_.begin(), best_.end());
      best_.pop_back();
    }
    best_.emplace_back(value, chosen_);
    std::push_heap(best_.begin(), best_.end());
  }

  void descend(int first, double sum) {
    const int depth = static_cast<int>(chosen_.size());
    const int missing = count_ - depth;
    const std::vector<double>& gain = gains_[depth];
    if (missing == 0) {
      offer(std::abs(sum));
      return;
    }
    if (hopeless(first, missing, gain, sum)) return;
    if ((++visited_ & 0xffff) == 0) check_cancelled();
    for (int i = first; i + missing <= size_; ++i) {
      chosen_.push_back(i);
      if (missing > 1) {
        for (int j = i + 1; j < size_; ++j) gains_[depth + 1][j] = gain[j] + pair_[i][j];
      }
      descend(i + 1, sum + gain[i]);
      chosen_.pop_back();
    }
  }

  int size_;
  int count_;
  size_t keep_;
  std::vector<std::vector<double>> pair_;
  double slack_ = 0;
  std::vector<std::vector<double>> gains_;  // [layers chosen][layer]
  std::vector<Bounds> bounds_;              // [first][others][layer]
  std::vector<double> scratch_;
  LayerSet chosen_;
  std::vector<std::pair<double, LayerSet>> best_;  // heap, worst first
  uint64_t visited_ = 0;
};

[[noreturn]] void fail_surrogate(const std::string& what) {
  throw std::invalid_argument("[select::best_surrogate_sets] " + what);
}

}  // namespace

std::vector<LayerSet> best_surrogate_sets(const std::vector<double>& single,
                                          const std::vector<std::vector<double>>& pair,
                                          const std::vector<bool>& allowed, int count, int keep) {
  const size_t layers = single.size();
  if (pair.size() != layers || allowed.size() != layers)
    fail_surrogate("single, pair and allowed differ in length");
  for (const auto& row : pair) {
    if (row.size() != layers) fail_surrogate("pair is not square");
  }
  if (keep < 1) fail_surrogate("keep " + std::to_string(keep) + " is not positive");
  std::vector<int> candidates;
  for (size_t i = 0; i < layers; ++i) {
    if (allowed[i]) candidates.push_back(static_cast<int>(i));
  }
  const int total = static_cast<int>(candidates.size());
  if (count < 0 || count > total) {
    fail_surrogate("cannot choose " + std::to_string(count) + " layers of " + std::to_string(total));
  }
  if (count == 0) return {LayerSet()};
  std::vector<double> few_single(total);
  std::vector<std::vector<double>> few_pair(total, std::vector<double>(total));
  for (int i = 0; i < total; ++i) {
    few_single[i] = single[candidates[i]];
    if (!std::isfinite(few_single[i]))
      fail_surrogate("layer " + std::to_string(candidates[i]) + " has no finite score");
    for (int j = 0; j < total; ++j) {
      if (i == j) continue;
      // Both use one triangle, so that a difference in the last bit between the triangles does not matter.
      few_pair[i][j] = pair[candidates[std::min(i, j)]][candidates[std::max(i, j)]];
      if (!std::isfinite(few_pair[i][j])) {
        fail_surrogate("the interaction of layers " + std::to_string(candidates[i]) + " and " +
                       std::to_string(candidates[j]) + " is not finite");
      }
    }
  }
  std::vector<LayerSet> sets = Minimiser(std::move(few_single), std::move(few_pair), count, keep).run();
  for (LayerSet& set : sets) {
    for (int& layer : set) layer = candidates[layer];
  }
  return sets;
}

LayerSet minimise_surrogate(const std::vector<double>& single, const std::vector<std::vector<double>>& pair,
                            const std::vector<bool>& allowed, int count) {
  return best_surrogate_sets(single, pair, allowed, count, 1).front();
}

}  // namespace vitrim::select
