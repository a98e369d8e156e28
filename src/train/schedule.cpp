#include "vitrim/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vitrim::train {

double half_cosine(double done) { return 0.5 * (1 + std::cos(std::numbers::pi * done)); }

double cosine_schedule(int64_t step, int64_t steps, int64_t warm_up, double peak, double floor) {
  if (step < warm_up) return peak * static_cast<double>(step + 1) / static_cast<double>(warm_up);
  const double span = static_cast<double>(std::max<int64_t>(1, steps - warm_up));
  const double progress = std::min(1.0, static_cast<double>(step - warm_up) / span);
  return peak * (floor + (1 - floor) * half_cosine(progress));
}

double learning_rate(const Recipe& recipe, int64_t step, int64_t steps_per_epoch) {
  const double peak = peak_learning_rate(recipe),
               total = static_cast<double>(recipe.epochs * steps_per_epoch);
  const double warm = std::floor(recipe.warm_up_epochs * static_cast<double>(steps_per_epoch)),
               t = static_cast<double>(step);
  if (t < warm) return recipe.warm_up_learning_rate + (peak - recipe.warm_up_learning_rate) * t / warm;
  const double done = std::min(1.0, (t - warm) / std::max(1.0, total - warm));
  return recipe.min_learning_rate + (peak - recipe.min_learning_rate) * half_cosine(done);
}

}  // namespace vitrim::train
