#pragma once
// Quality of features, for models without a classifier (DINOv2, CLIP's image tower, MAE): by nearest
// neighbours, by a linear probe, and by agreement of the neighbours with those of another model. Nothing is
// trained.

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/eval/accuracy.h"

namespace vitrim::eval {

/// Temperature of the neighbours' votes (Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric
/// Instance Discrimination"; DINO uses the same).
inline constexpr double kVoteTemperature = 0.07;

/// Features [n, C] float32 and labels [n] of the images of a data set.
struct LabelledFeatures {
  at::Tensor features;
  std::vector<int64_t> labels;
};
/// Computes features; `options.chunk` images are decoded at a time. If `options.logits` (an engine) runs a
/// model without a classifier, its outputs are the features. With several ranks, every rank computes all
/// features.
LabelledFeatures features_of(const model::Model& model, const data::Dataset& dataset,
                             const AccuracyOptions& options);

/// Votes of each query's `neighbours` nearest gallery images by cosine, with weight exp(cosine / T): queries
/// [n, C], gallery [m, C] -> float32 [n, classes]. With `leave_out_own`, queries and gallery are the same
/// images, and no image is its own neighbour. Cost: n m C multiply-adds. Throws std::invalid_argument if
/// neighbours is not in 1..m.
at::Tensor knn_votes(const at::Tensor& queries, const LabelledFeatures& gallery, int64_t neighbours,
                     int64_t classes, bool leave_out_own);

/// Scores [n, classes] of the queries under a linear probe: ridge regression of one-hot classes on
/// standardised features, in closed form, in float64. Of seven penalties (1e-4 to 100 times the mean
/// eigenvalue of the features' covariance) it takes the one with the smallest leave-one-out squared error,
/// which also has a closed form: residual / (1 - leverage). Memory: m * classes doubles for m gallery images.
at::Tensor probe_scores(const at::Tensor& queries, const LabelledFeatures& gallery, int64_t classes);

/// Figures of retrieval, one per query (every image among all others). `recall` is the share of the
/// reference's `neighbours` nearest images that are among as many nearest ones of the model.
/// `average_precision` is that of the model's ranking of all other images, with the reference's nearest ones
/// as the right ones. `rank`, from 1, is the model's rank of the reference's nearest image. Shapes: features,
/// reference [n, C] -> float64 [n], float64 [n], int64 [n].
struct Retrieval {
  at::Tensor recall, average_precision, rank;
};
Retrieval retrieve(const at::Tensor& features, const at::Tensor& reference, int64_t neighbours);

/// Mean of per-image figures [n], and its 95 % percentile bootstrap interval over images (2,000 resamples).
std::pair<double, double> bootstrap_mean(const at::Tensor& figures, uint64_t seed = 0);

/// Throws vitrim::Error if the gallery has no labels, or other class folders than `dataset`.
void check_gallery(const model::Model& model, const data::Dataset& dataset, const data::Dataset& gallery);
/// evaluate() with options.gallery: top-1 and top-5 of the neighbours' votes or of the probe. If the gallery
/// is the evaluated set itself, no image is its own neighbour; a probe refuses that.
EvalResult evaluate_features(const model::Model& model, const data::Dataset& dataset,
                             const AccuracyOptions& options);
/// Evaluates whether the model's neighbours are those of `reference`, which may read images of another size
/// (`reference_preprocess`). `name` is the reference's name in the result.
EvalResult evaluate_retrieval(const model::Model& model, const model::Model& reference,
                              const data::Dataset& dataset, const AccuracyOptions& options,
                              const PreprocessSpec& reference_preprocess, int64_t neighbours,
                              const std::string& name);

}  // namespace vitrim::eval
