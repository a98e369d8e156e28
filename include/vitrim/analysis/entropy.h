#pragma once
// Entropy of features under a Gaussian (NOSE, eq. for H(F)): H(F) = sum_j ln sigma_j in nats, up to a
// constant per channel that cancels in differences. The `full` estimator also sees correlations between
// channels.

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
  kFull,  ///< plus half the log-determinant of the correlation matrix, shrunk towards the identity (oracle
          ///< approximating shrinkage)
};
Estimator parse_estimator(const std::string& name);  ///< "diagonal" | "full"; throws std::invalid_argument
std::string to_string(Estimator estimator);

/// Groups of images over which the full estimator's bootstrap resamples: one covariance is kept per group, so
/// memory is bounded.
inline constexpr int64_t kMaxGroups = 50;

/// Collects moments of features image by image, then gives the entropy of all of them and of any resample of
/// the images. Memory: diagonal 16 C bytes an image; full 8 C^2 bytes a group.
class FeatureEntropy {
 public:
  virtual ~FeatureEntropy() = default;
  /// features [b, C] or [b, T, C] (T samples an image) of images first_image .. first_image + b - 1.
  virtual void add(const at::Tensor& features, int64_t first_image) = 0;
  /// Adds what the other ranks have added, each for other images: afterwards all hold the same. At least one
  /// image must have been added on every rank.
  virtual void merge_ranks(distributed::Group& group) = 0;
  /// H over everything added, nats. sigma is the unbiased standard deviation, floored at 1e-6 of the largest
  /// channel's.
  virtual double value() const = 0;
  /// H on each resample (counts over images; the full estimator draws groups with the first columns' counts).
  virtual std::vector<double> replicates(const Resamples& resamples) const = 0;
  /// Channels whose sigma was floored in value().
  virtual int64_t floored_channels() const = 0;
};

std::unique_ptr<FeatureEntropy> make_feature_entropy(Estimator estimator, int64_t channels, int64_t images);

}  // namespace vitrim::analysis
