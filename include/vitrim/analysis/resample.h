#pragma once
// Bootstrap over whole images. The same resamples serve every figure, so differences between figures are
// paired.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace vitrim::analysis {

/// `counts` is float64 [R, n]: how often each of n images (or groups of images) is drawn in each of R
/// resamples with n draws.
struct Resamples {
  at::Tensor counts;
  int64_t size() const { return counts.size(0); }
};

Resamples make_resamples(int64_t images, int64_t replicates, uint64_t seed);
/// The bootstrap standard error of a figure: the standard deviation of its replicates. 0 if there are fewer
/// than two.
double standard_error(const std::vector<double>& replicates);

}  // namespace vitrim::analysis
