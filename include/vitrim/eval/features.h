#pragma once
// How good a model's features are, for models without a classifier (DINOv2, CLIP's image tower, MAE): by
// nearest neighbours, by a linear probe, and by whether their neighbours are those of another model. No
// training.

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/eval/accuracy.h"

namespace vitrim::eval {

/// Temperature of the neighbours' votes (Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric
/// Instance Discrimination"; DINO uses the same).
inline constexpr double kVoteTemperature = 0.07;

/// Features [n, C] float32 and labels [n] of a data set's images.
struct LabelledFeatures {
  at::Tensor features;
  std::vector<int64_t> labels;
};
/// Decodes `options.chunk` images at a time and runs them. With options.logits (an engine) that answers for a
/// model without a classifier, these are its features. With several ranks every one computes all of it.
LabelledFeatures features_of(const model::Model& model, const data::Dataset& dataset,
                             const AccuracyOptions& options);

/// Votes [n, classes] of each query's `neighbours` nearest gallery images by cosine, weight exp(cosine / T):
/// queries [n, C], gallery [m, C] -> float32. `leave_out_own`: the two are the same images, and none is its
/// own neighbour. Time n m C. std::invalid_argument where neighbours is not in 1..m.
at::Tensor knn_votes(const at::Tensor& queries, const LabelledFeatures& gallery, int64_t neighbours,
                     int64_t classes, bool leave_out_own);

/// Ridge regression of one-hot classes on standardised features, in closed form, float64; the penalty is the
/// one of seven (1e-4 to 100 times the mean eigenvalue of the features' covariance) with the least squared
/// error when every image is left out once (which has a closed form too: residual / (1 - leverage)). Scores
/// [n, classes] of the queries. Memory m * classes doubles.
at::Tensor probe_scores(const at::Tensor& queries, const LabelledFeatures& gallery, int64_t classes);

/// Per query (every image among all others): share of the reference's `neighbours` nearest that are among as
/// many of the model's own, average precision of the model's ranking of all other images with those as the
/// right ones, and the rank, from 1, of the reference's nearest one. features, reference [n, C]; float64 [n],
/// float64 [n], int64 [n].
struct Retrieval {
  at::Tensor recall, average_precision, rank;
};
Retrieval retrieve(const at::Tensor& features, const at::Tensor& reference, int64_t neighbours);

/// Mean of per-image figures [n] and the 95 % percentile bootstrap interval over images (2,000 resamples).
std::pair<double, double> bootstrap_mean(const at::Tensor& figures, uint64_t seed = 0);

/// Throws vitrim::Error where the gallery has no labels, or other class folders than `dataset`.
void check_gallery(const model::Model& model, const data::Dataset& dataset, const data::Dataset& gallery);
/// eval::evaluate() by options.gallery: top-1 and top-5 of the neighbours' votes or of the probe. Where the
/// gallery is the evaluated set itself, each image is left out of its own neighbours (a probe refuses that).
EvalResult evaluate_features(const model::Model& model, const data::Dataset& dataset,
                             const AccuracyOptions& options);
/// Whether the model's neighbours are those of `reference`, which may take images of another size
/// (`reference_preprocess`). `name` is what the result calls the reference.
EvalResult evaluate_retrieval(const model::Model& model, const model::Model& reference,
                              const data::Dataset& dataset, const AccuracyOptions& options,
                              const PreprocessSpec& reference_preprocess, int64_t neighbours,
                              const std::string& name);

}  // namespace vitrim::eval
