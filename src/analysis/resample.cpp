#include "vitrim/analysis/resample.h"

#include <ATen/ATen.h>

#include <cmath>

#include "vitrim/core/random.h"

namespace vitrim::analysis {

Resamples make_resamples(int64_t images, int64_t replicates, uint64_t seed) {
  Resamples resamples{at::zeros({replicates, images}, at::kDouble)};
  double* counts = resamples.counts.data_ptr<double>();
  Random random(seed, /*stream=*/0x626f6f74);
  for (int64_t r = 0; r < replicates; ++r) {
    for (int64_t i = 0; i < images; ++i) counts[r * images + random.below(images)] += 1;
  }
  return resamples;
}

double standard_error(const std::vector<double>& replicates) {
  if (replicates.size() < 2) return 0;
  double mean = 0, sum = 0;
  for (double v : replicates) mean += v / static_cast<double>(replicates.size());
  for (double v : replicates) sum += (v - mean) * (v - mean);
  return std::sqrt(sum / static_cast<double>(replicates.size() - 1));
}

}  // namespace vitrim::analysis
