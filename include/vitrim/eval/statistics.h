#pragma once
// Intervals and tests for accuracies.

#include <cstdint>
#include <utility>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::eval {

/// Wilson's 95 % score interval of k successes in n trials; {0, 1} for n = 0.
std::pair<double, double> wilson_interval(int64_t successes, int64_t trials);

/// The p-value of McNemar's exact two-sided test. `only_first` images are right in the first model only,
/// `only_second` in the second only. 1 if both are 0.
double mcnemar_exact(int64_t only_first, int64_t only_second);

/// top1(second) - top1(first) on the same images, its 95 % paired bootstrap interval (10,000 resamples,
/// percentile), and McNemar's p. Throws std::invalid_argument if the two differ in length or are empty.
PairedResult compare_paired(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                            uint64_t seed = 0);

/// Compares two results on the same images: compare_paired() of their predictions, or compare_miou() for
/// segmentation.
PairedResult compare_paired(const EvalResult& first, const EvalResult& second);

}  // namespace vitrim::eval
