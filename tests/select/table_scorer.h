#pragma once
#include <cmath>
#include <functional>

#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

// Scores sets by a function, and records the calls.
class TableScorer : public SetScorer {
 public:
  using Function = std::function<ScoredSet(const LayerSet&)>;
  TableScorer(int layers, std::vector<int> candidates, Function function)
      : layers_(layers), candidates_(std::move(candidates)), function_(std::move(function)) {}

  int num_layers() const override { return layers_; }
  std::vector<int> candidates() const override { return candidates_; }
  std::vector<ScoredSet> score(const std::vector<LayerSet>& sets) override {
    calls.push_back(sets);
    std::vector<ScoredSet> scored;
    for (const LayerSet& set : sets) scored.push_back(function_(set));
    return scored;
  }
  int64_t block_evaluations() const override { return 0; }

  std::vector<std::vector<LayerSet>> calls;

 private:
  int layers_;
  std::vector<int> candidates_;
  Function function_;
};

}  // namespace vitrim::select
