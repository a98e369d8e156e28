// The control sets that a choice must beat; they are treated exactly like it.

#include "pipeline/controls.h"

#include "vitrim/select/controls.h"

namespace vitrim::pipeline {

std::vector<CompressionPlan> plans_to_compare(const LayerScores* scores, const std::vector<int>& chosen,
                                              const std::vector<int>& candidates,
                                              const std::vector<double>& norms, int random_controls,
                                              uint64_t seed) {
  const int count = static_cast<int>(chosen.size());
  std::vector<CompressionPlan> plans = select::control_plans(candidates, count, norms, random_controls, seed);
  if (scores && !scores->other_criterion.empty()) {
    plans.insert(plans.begin(),
                 {scores->other_criterion.front().layers, scores->criterion == "te" ? "absorbed" : "te"});
  }
  return plans;
}

}  // namespace vitrim::pipeline
