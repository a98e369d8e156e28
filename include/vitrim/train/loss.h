#pragma once
// What training minimises.

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/model/model.h"

namespace vitrim::train {

/// -sum_c target_c ln softmax(logits)_c, summed over the rows. logits, targets float32 [n, classes]; targets
/// sum to 1.
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// -ln softmax(logits)_target of every pixel, ignored ones (data::kIgnoredClass) as 0, its mean over the
/// image's pixels summed over the rows. logits float32 [n, K, h, w] are enlarged to the targets' size
/// (bilinear); targets uint8 [n, H, W]. `smoothing` as in label smoothing.
at::Tensor pixel_cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double smoothing);

/// T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over the rows (Hinton et al. 2015). [n, K],
/// or [n, K, h, w] with the mean over the map.
at::Tensor distillation_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature);

/// How far two streams between blocks are apart: mean over tokens and channels of the squared difference of
/// their tokens after a LayerNorm without weights, summed over the rows. [n, N, C] each. The norm makes the
/// loss blind to what the next block is blind to: the scale of a token (a diluted block doubles its stream).
at::Tensor stream_loss(const at::Tensor& student, const at::Tensor& teacher);

/// High-frequency content of patch tokens x [n, N, C]: the mean over images of ln(mean amplitude of the 2-d
/// Fourier transform beyond pi / 2) minus ln(mean amplitude at all other frequencies), amplitudes averaged
/// over channels; summed over the rows. The figure that the spectrum's curves (analysis/spectrum.h) show,
/// differentiable. `spec` says where the patches begin and how they lie.
at::Tensor high_frequency_content(const at::Tensor& x, const ModelSpec& spec);

}  // namespace vitrim::train
