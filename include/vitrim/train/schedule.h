#pragma once
// Schedules of rates over a run.

#include <cstdint>

#include "vitrim/train/recipe.h"

namespace vitrim::train {

/// Half a cosine: 1 at `done` = 0, 0 at `done` = 1.
double half_cosine(double done);

/// Linear warm-up over `warm_up` steps, then half a cosine down to `floor` times the peak. `step` counts from
/// 0.
double cosine_schedule(int64_t step, int64_t steps, int64_t warm_up, double peak, double floor = 0.0);

/// Learning rate of a recipe's optimiser step `step` (from 0): linear from warm_up_learning_rate to the peak,
/// then half a cosine to min_learning_rate.
double learning_rate(const Recipe& recipe, int64_t step, int64_t steps_per_epoch);

}  // namespace vitrim::train
