#pragma once
// Intervals and tests for accuracies.

#include <cstdint>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::eval {

/// Wilson's 95 % score interval of k successes in n trials; {0, 1} for n = 0.
std::pair<double, double> wilson_interval(int64_t successes, int64_t trials);

/// McNemar's exact two-sided test: `only_first` images right in the first model alone, `only_second` in the
/// second alone. 1 where they agree everywhere.
double mcnemar_exact(int64_t only_first, int64_t only_second);

/// top1(second) - top1(first) on the same images, its 95 % paired bootstrap interval (10,000 resamples,
/// percentile), and McNemar's p. Throws std::invalid_argument where the two differ in length or are empty.
PairedResult compare_paired(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                            uint64_t seed = 0);

/// Two results on the same images: compare_paired() of their answers, or of segmentation compare_miou().
PairedResult compare_paired(const EvalResult& first, const EvalResult& second);

}  // namespace vitrim::eval
