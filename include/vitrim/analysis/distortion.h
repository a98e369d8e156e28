#pragma once
// How far the output of a changed model is from the dense model's, without labels.

#include <ATen/core/Tensor.h>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::analysis {

/// Temperature that softens logits in the KL below.
inline constexpr double kDistortionTemperature = 2.0;

/// Logits of all images, [n, num_classes] float32; tokens are merged as the model's spec states. Throws
/// std::invalid_argument if the model has no classifier.
at::Tensor logits_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size);

/// Outputs for all images, float32: features [n, feature_dim] and, if the model has a classifier, logits [n,
/// num_classes]. Tokens are merged as the model's spec states.
model::Output outputs_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size);

/// KL(softmax(dense / T) || softmax(changed / T)) of each image, in nats: logits [n, K] -> float64 [n]. For
/// [n, K, p] it is the mean over the p places of a map (model::answers).
at::Tensor kl_per_image(const at::Tensor& dense_logits, const at::Tensor& changed_logits,
                        double temperature = kDistortionTemperature);
/// ||changed - dense||_F / ||dense||_F of features [n, C].
double relative_error(const at::Tensor& dense, const at::Tensor& changed);
/// Cosine similarity of each image's features [n, C] before and after: mean and 5th percentile.
FeatureFigures compare_features(const at::Tensor& dense, const at::Tensor& changed);
/// Share of images on which both models predict the same class; for segmentation, the share of map places.
double agreement(const at::Tensor& dense_logits, const at::Tensor& changed_logits);

}  // namespace vitrim::analysis
