#include "vitrim/eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/core/random.h"
#include "vitrim/eval/segmentation.h"

namespace vitrim::eval {

std::pair<double, double> wilson_interval(int64_t successes, int64_t trials) {
  if (trials <= 0) return {0, 1};
  const double z = 1.959963984540054, n = static_cast<double>(trials), p = static_cast<double>(successes) / n;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

double mcnemar_exact(int64_t only_first, int64_t only_second) {
  const int64_t n = only_first + only_second, k = std::min(only_first, only_second);
  if (n == 0) return 1;
  double tail = 0;  // P(X <= k) for X ~ Binomial(n, 1/2)
  for (int64_t i = 0; i <= k; ++i) {
    const double x = static_cast<double>(i), m = static_cast<double>(n);
    tail += std::exp(std::lgamma(m + 1) - std::lgamma(x + 1) - std::lgamma(m - x + 1) - m * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

PairedResult compare_paired(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second,
                            uint64_t seed) {
  if (first.size() != second.size() || first.empty()) {
    throw std::invalid_argument("[eval::compare_paired] " + std::to_string(first.size()) + " and " +
                                std::to_string(second.size()) + " images can't be paired");
  }
  const int64_t n = static_cast<int64_t>(first.size());
  int64_t only_first = 0, only_second = 0;
  for (int64_t i = 0; i < n; ++i) {
    only_first += first[i] && !second[i];
    only_second += !first[i] && second[i];
  }
  PairedResult result;
  result.difference = static_cast<double>(only_second - only_first) / static_cast<double>(n);
  result.mcnemar_p = mcnemar_exact(only_first, only_second);
  constexpr int kResamples = 10000;
  std::vector<double> differences(kResamples);
  Random random(seed, /*stream=*/0x70616972);
  for (double& d : differences) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t j = random.below(n);
      sum += static_cast<int64_t>(second[j]) - static_cast<int64_t>(first[j]);
    }
    d = static_cast<double>(sum) / static_cast<double>(n);
  }
  std::sort(differences.begin(), differences.end());
  result.ci95 = {differences[static_cast<size_t>(0.025 * kResamples)],
                 differences[static_cast<size_t>(0.975 * kResamples) - 1]};
  return result;
}

PairedResult compare_paired(const EvalResult& first, const EvalResult& second) {
  if (first.segmentation && second.segmentation)
    return compare_miou(*first.segmentation, *second.segmentation);
  return compare_paired(first.correct, second.correct);
}

}  // namespace vitrim::eval
