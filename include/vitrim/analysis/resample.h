#pragma once
// Bootstrap over whole images: the same resamples serve every figure, so differences between figures are
// paired.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vitrim::analysis {

/// `counts` float64 [R, n]: how often each of n images (or groups of images) is drawn in each of R resamples
/// of n draws.
struct Resamples {
  at::Tensor counts;
  int64_t size() const { return counts.size(0); }
};

Resamples make_resamples(int64_t images, int64_t replicates, uint64_t seed);
/// Standard deviation of a figure's replicates: its bootstrap standard error. 0 for fewer than two.
double standard_error(const std::vector<double>& replicates);

}  // namespace vitrim::analysis
