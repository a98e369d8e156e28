#include "vitrim/analysis/entropy.h"

#include <ATen/ATen.h>
#include <ATen/ops/linalg_cholesky_ex.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vitrim/distributed/group.h"

namespace vitrim::analysis {

namespace {

// A channel whose sigma is less than this share of the largest channel's counts as constant.
constexpr double kSigmaFloor = 1e-6;

// ln sigma per channel from counts and moments about a pivot: count [R], sums [R, C], squares [R, C] -> [R,
// C].
at::Tensor log_sigma(const at::Tensor& count, const at::Tensor& sums, const at::Tensor& squares,
                     int64_t* floored) {
  const at::Tensor n = count.unsqueeze(1);
  const at::Tensor variance = ((squares - sums * sums / n) / (n - 1).clamp_min(1)).clamp_min(0);
  const at::Tensor largest = variance.amax(1, /*keepdim=*/true).clamp_min(1e-30);
  const at::Tensor floor = largest * (kSigmaFloor * kSigmaFloor);
  if (floored) *floored = (variance < floor).sum().item<int64_t>();
  return at::maximum(variance, floor).log() * 0.5;
}

std::vector<double> to_vector(const at::Tensor& values) {
  const at::Tensor flat = values.contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

// [b, C] or [b, T, C] -> float64 [b, T, C] relative to the pivot, which avoids cancellation in sums of
// squares.
at::Tensor centred(const at::Tensor& features, at::Tensor& pivot) {
  at::Tensor x = features.detach().to(at::kDouble);
  if (x.dim() == 2) x = x.unsqueeze(1);
  if (!pivot.defined()) pivot = x.mean(at::IntArrayRef{0, 1});
  return x - pivot;
}

// Moves the pivot to that of rank 0 and returns the difference: sum (x - q) = sum (x - p) + n (p - q), and
// similarly for squares.
at::Tensor share_pivot(distributed::Group& group, at::Tensor& pivot) {
  const at::Tensor old = pivot;
  pivot = pivot.clone();
  group.broadcast(pivot);
  return old - pivot;
}

class DiagonalEntropy : public FeatureEntropy {
 public:
  DiagonalEntropy(int64_t channels, int64_t images)
      : count_(at::zeros({images}, at::kDouble)),
        sums_(at::zeros({images, channels}, at::kDouble)),
        squares_(at::zeros({images, channels}, at::kDouble)) {}

  void add(const at::Tensor& features, int64_t first_image) override {
    const at::Tensor x = centred(features, pivot_);
    const int64_t b = x.size(0);
    count_.narrow(0, first_image, b).fill_(x.size(1));
    sums_.narrow(0, first_image, b).copy_(x.sum(1));
    squares_.narrow(0, first_image, b).copy_((x * x).sum(1));
  }

  void merge_ranks(distributed::Group& group) override {
    if (group.size() == 1) return;
    const at::Tensor moved = share_pivot(group, pivot_), n = count_.unsqueeze(1);
    squares_ += 2 * moved * sums_ + n * moved * moved;
    sums_ += n * moved;
    group.all_reduce(std::vector<at::Tensor>{count_, sums_, squares_});
  }

  double value() const override {
    return log_sigma(count_.sum(0, true), sums_.sum(0, true), squares_.sum(0, true), nullptr)
        .sum()
        .item<double>();
  }

  std::vector<double> replicates(const Resamples& resamples) const override {
    const at::Tensor& w = resamples.counts;
    if (w.size(1) != count_.size(0))
      throw std::invalid_argument("[analysis::replicates] resamples are for another number of images");
    return to_vector(log_sigma(w.mv(count_), w.mm(sums_), w.mm(squares_), nullptr).sum(1));
  }

  int64_t floored_channels() const override {
    int64_t floored = 0;
    log_sigma(count_.sum(0, true), sums_.sum(0, true), squares_.sum(0, true), &floored);
    return floored;
  }

 private:
  at::Tensor pivot_, count_, sums_, squares_;
};

class FullEntropy : public FeatureEntropy {
 public:
  FullEntropy(int64_t channels, int64_t images)
      : images_(images),
        groups_(std::min(images, kMaxGroups)),
        count_(at::zeros({groups_}, at::kDouble)),
        sums_(at::zeros({groups_, channels}, at::kDouble)),
        products_(at::zeros({groups_, channels * channels}, at::kDouble)) {}

  void add(const at::Tensor& features, int64_t first_image) override {
    const at::Tensor x = centred(features, pivot_);
    for (int64_t i = 0; i < x.size(0); ++i) {
      const int64_t g = (first_image + i) % groups_;
      const at::Tensor rows = x[i];
      count_[g] += rows.size(0);
      sums_[g] += rows.sum(0);
      products_[g].view({rows.size(1), rows.size(1)}).addmm_(rows.t(), rows);
    }
  }

  void merge_ranks(distributed::Group& group) override {
    if (group.size() == 1) return;
    const at::Tensor moved = share_pivot(group, pivot_), n = count_.unsqueeze(1);
    const int64_t channels = moved.size(0);
    const at::Tensor cross = sums_.unsqueeze(2) * moved.view({1, 1, channels});  // [groups, C, C]
    const at::Tensor square = n.unsqueeze(2) * at::outer(moved, moved);
    products_ += (cross + cross.transpose(1, 2) + square).view({groups_, channels * channels});
    sums_ += n * moved;
    group.all_reduce(std::vector<at::Tensor>{count_, sums_, products_});
  }

  double value() const override { return entropy(at::ones({groups_}, at::kDouble), nullptr); }

  std::vector<double> replicates(const Resamples& resamples) const override {
    // The bootstrap draws whole groups: the first `groups_` columns of an image resample are rescaled to
    // draws of groups.
    const Resamples by_group =
        resamples.counts.size(1) == groups_ ? resamples : make_resamples(groups_, resamples.size(), 1);
    std::vector<double> out;
    for (int64_t r = 0; r < by_group.size(); ++r) out.push_back(entropy(by_group.counts[r], nullptr));
    return out;
  }

  int64_t floored_channels() const override {
    int64_t floored = 0;
    entropy(at::ones({groups_}, at::kDouble), &floored);
    return floored;
  }

 private:
  double entropy(const at::Tensor& weights, int64_t* floored) const {
    const int64_t channels = sums_.size(1);
    const at::Tensor n = weights.dot(count_);
    const at::Tensor sum = weights.unsqueeze(0).mm(sums_).squeeze(0);
    const at::Tensor product = weights.unsqueeze(0).mm(products_).view({channels, channels});
    const at::Tensor covariance = (product - at::outer(sum, sum) / n) / (n - 1).clamp_min(1);
    const at::Tensor squares = product.diagonal();
    const at::Tensor ln_sigma =
        log_sigma(n.unsqueeze(0), sum.unsqueeze(0), squares.unsqueeze(0), floored).squeeze(0);
    const at::Tensor inverse = (-ln_sigma).exp();
    at::Tensor correlation = covariance * at::outer(inverse, inverse);
    const double samples = n.item<double>() / std::max(1.0, per_image());
    correlation = shrink(correlation, samples);
    const auto [factor, info] = at::linalg_cholesky_ex(correlation);
    if (info.item<int>() != 0) return std::numeric_limits<double>::quiet_NaN();
    return (ln_sigma.sum() + factor.diagonal().log().sum()).item<double>();
  }

  // Samples per image: tokens of one image are far from independent, so the shrinkage counts images.
  double per_image() const { return count_.sum().item<double>() / static_cast<double>(images_); }

  // Oracle approximating shrinkage (Chen, Wiesel, Eldar, Hero 2010) of a correlation matrix towards the
  // identity.
  static at::Tensor shrink(const at::Tensor& correlation, double samples) {
    const auto p = static_cast<double>(correlation.size(0));
    const double trace = correlation.diagonal().sum().item<double>();
    const double trace_of_square = (correlation * correlation).sum().item<double>();
    const double numerator = (1 - 2 / p) * trace_of_square + trace * trace;
    const double denominator = (samples + 1 - 2 / p) * (trace_of_square - trace * trace / p);
    // At least a thousandth of shrinkage keeps the matrix positive definite despite rounding.
    const double rho = denominator <= 0 ? 1 : std::clamp(numerator / denominator, 1e-3, 1.0);
    at::Tensor shrunk = correlation * (1 - rho);
    shrunk.diagonal().fill_(1);
    return shrunk;
  }

  int64_t images_, groups_;
  at::Tensor pivot_, count_, sums_, products_;
};

}  // namespace

Estimator parse_estimator(const std::string& name) {
  if (name == "diagonal") return Estimator::kDiagonal;
  if (name == "full") return Estimator::kFull;
  throw std::invalid_argument("estimator must be diagonal or full, not '" + name + "'");
}

std::string to_string(Estimator estimator) { return estimator == Estimator::kFull ? "full" : "diagonal"; }

std::unique_ptr<FeatureEntropy> make_feature_entropy(Estimator estimator, int64_t channels, int64_t images) {
  if (images < 2)
    throw std::invalid_argument("[analysis::entropy] an entropy needs at least 2 images, got " +
                                std::to_string(images));
  if (estimator == Estimator::kFull) return std::make_unique<FullEntropy>(channels, images);
  return std::make_unique<DiagonalEntropy>(channels, images);
}

}  // namespace vitrim::analysis
