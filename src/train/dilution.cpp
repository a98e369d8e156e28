#include "vitrim/train/dilution.h"

#include <stdexcept>

#include "vitrim/train/schedule.h"

namespace vitrim::train {

double dilution_lambda(const Dilution& dilution, double epoch) {
  if (epoch >= dilution.epochs) return 0;
  const double done = epoch / dilution.epochs;
  if (dilution.schedule == "linear") return 1 - done;
  if (dilution.schedule == "cosine") return half_cosine(done);
  throw std::invalid_argument("[train::dilution_lambda] the schedule is linear or cosine, not '" +
                              dilution.schedule + "'");
}

bool HeldOutLambda::due(double done) const {
  return looks < kLooks && fallen < kSteps &&
         done * static_cast<double>(kLooks) >= static_cast<double>(looks);
}

void HeldOutLambda::look(double loss) {
  const bool recovered = loss <= reference, no_time = kSteps - fallen >= kLooks - looks;
  ++looks;
  if (!recovered && !no_time) return;
  ++fallen;
  reference = loss;
}

std::vector<model::BlockGain> dilution_gains(const Dilution& dilution, double lambda, int blocks) {
  std::vector<model::BlockGain> gains(static_cast<size_t>(blocks));
  for (int layer : dilution.layers)
    gains.at(static_cast<size_t>(layer)) = {dilution.stream - (dilution.stream - 1) * lambda, lambda};
  return gains;
}

}  // namespace vitrim::train
