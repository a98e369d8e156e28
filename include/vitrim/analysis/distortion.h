#pragma once
// How far a changed model's output is from the dense one's, without labels.

#include <ATen/core/Tensor.h>

#include "vitrim/core/artifacts.h"
#include "vitrim/data/loader.h"
#include "vitrim/model/model.h"

namespace vitrim::analysis {

/// Temperature that softens logits in the KL below.
inline constexpr double kDistortionTemperature = 2.0;

/// What the model says to all images, [n, num_classes] float32, tokens merged as its spec says. Throws
/// std::invalid_argument without a classifier.
at::Tensor logits_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size);

/// What comes out for all images, tokens merged as the model's spec says: features [n, feature_dim] and, with
/// a classifier, logits [n, num_classes], float32.
model::Output outputs_of(const model::Model& model, const data::ImageBatch& images, int64_t batch_size);

/// KL(softmax(dense / T) || softmax(changed / T)) per image, nats: logits [n, K] -> float64 [n]; of [n, K, p]
/// the mean over the p places of a map (model::answers).
at::Tensor kl_per_image(const at::Tensor& dense_logits, const at::Tensor& changed_logits,
                        double temperature = kDistortionTemperature);
/// ||changed - dense||_F / ||dense||_F of features [n, C].
double relative_error(const at::Tensor& dense, const at::Tensor& changed);
/// Cosines of features [n, C] of the same images before and after.
FeatureFigures compare_features(const at::Tensor& dense, const at::Tensor& changed);
/// Share of images (of places of their maps) on which both predict the same class.
double agreement(const at::Tensor& dense_logits, const at::Tensor& changed_logits);

}  // namespace vitrim::analysis
