#pragma once
// Entropy of features under a Gaussian model (NOSE, equation for H(F)): H(F) = sum_j ln sigma_j in nats, up
// to a constant per channel that cancels in differences. The `full` estimator also accounts for correlations
// between channels.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "vitrim/analysis/resample.h"

namespace vitrim::distributed {
class Group;
}

namespace vitrim::analysis {

enum class Estimator {
  kDiagonal,  ///< the paper's: sum_j ln sigma_j
  kFull,  ///< kDiagonal plus half the log-determinant of the correlation matrix, which is shrunk towards the
          ///< identity (oracle approximating shrinkage)
};
Estimator parse_estimator(const std::string& name);  ///< "diagonal" | "full"; throws std::invalid_argument
std::string to_string(Estimator estimator);

/// Number of groups of images that the full estimator's bootstrap resamples. One covariance is kept per
/// group, so this bounds the memory.
inline constexpr int64_t kMaxGroups = 50;

/// Collects moments of features image by image, then computes the entropy over all images and over any
/// resample of them. Memory: 16 C bytes per image (diagonal), 8 C^2 bytes per group (full).
class FeatureEntropy {
 public:
  virtual ~FeatureEntropy() = default;
  /// Adds features [b, C] or [b, T, C] (T samples per image) of the images first_image .. first_image + b -
  /// 1.
  virtual void add(const at::Tensor& features, int64_t first_image) = 0;
  /// Adds what the other ranks have added for their own images; afterwards every rank holds the same moments.
  /// Every rank must have added at least one image.
  virtual void merge_ranks(distributed::Group& group) = 0;
  /// H over everything that was added, in nats. sigma is the unbiased standard deviation, with a floor of
  /// 1e-6 times the largest channel's sigma.
  virtual double value() const = 0;
  /// H on each resample of the images, in nats. The full estimator resamples groups of images, with the
  /// counts in the first columns.
  virtual std::vector<double> replicates(const Resamples& resamples) const = 0;
  /// Number of channels whose sigma value() raised to the floor.
  virtual int64_t floored_channels() const = 0;
};

std::unique_ptr<FeatureEntropy> make_feature_entropy(Estimator estimator, int64_t channels, int64_t images);

}  // namespace vitrim::analysis
