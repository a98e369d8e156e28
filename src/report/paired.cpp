#include "report/paired.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/core/random.h"

namespace vitrim::report {
namespace {

/// P(X <= k) for X ~ Binomial(n, 1/2), summed in logarithms so that it does not underflow for large n.
double half_binomial_tail(int64_t k, int64_t trials) {
  const double n = static_cast<double>(trials);
  double sum = 0;
  for (double i = 0; i <= static_cast<double>(k); ++i) {
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) - n * std::log(2.0));
  }
  return sum;
}

}  // namespace

PairedResult compare_paired(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second) {
  if (first.size() != second.size() || first.empty()) {
    throw std::invalid_argument("[report::compare_paired] the two results are not over the same images");
  }
  const double n = static_cast<double>(first.size());
  int64_t lost = 0, won = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    lost += first[i] && !second[i];
    won += !first[i] && second[i];
  }
  PairedResult result;
  result.difference = static_cast<double>(won - lost) / n;
  if (won + lost > 0)
    result.mcnemar_p = std::min(1.0, 2 * half_binomial_tail(std::min(won, lost), won + lost));

  // Resampling images draws (won, lost, same) counts from a multinomial distribution. For hundreds of images
  // and more, the difference is normal to within the displayed digits; for small sets, images are drawn one
  // by one.
  constexpr int kResamples = 2000;
  Random random(20240601);
  const double p_won = static_cast<double>(won) / n, p_lost = static_cast<double>(lost) / n;
  const double sigma = std::sqrt(std::max(0.0, p_won + p_lost - result.difference * result.difference) / n);
  std::vector<double> draws(kResamples);
  for (double& draw : draws) {
    if (n > 5000) {
      draw = result.difference + sigma * random.normal();
      continue;
    }
    int64_t balance = 0;
    for (size_t i = 0; i < first.size(); ++i) {
      const double u = random.uniform();
      balance += u < p_won ? 1 : u < p_won + p_lost ? -1 : 0;
    }
    draw = static_cast<double>(balance) / n;
  }
  std::sort(draws.begin(), draws.end());
  result.ci95 = {draws[kResamples / 40], draws[kResamples - 1 - kResamples / 40]};
  return result;
}

}  // namespace vitrim::report
