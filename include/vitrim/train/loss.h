#pragma once
// The losses of training.

#include <ATen/core/Tensor.h>

#include <vector>

#include "vitrim/core/model_spec.h"
#include "vitrim/model/model.h"

namespace vitrim::train {

/// Cross-entropy with soft targets: -sum_c target_c ln softmax(logits)_c, summed over the rows. logits,
/// targets float32 [n, classes]; targets sum to 1.
at::Tensor soft_cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// Cross-entropy of pixels: -ln softmax(logits)_target, where ignored pixels (data::kIgnoredClass) count as
/// 0; its mean over the pixels of an image, summed over the rows. logits float32 [n, K, h, w] are upsampled
/// bilinearly to the targets' size; targets uint8 [n, H, W]. `smoothing` is label smoothing.
at::Tensor pixel_cross_entropy(const at::Tensor& logits, const at::Tensor& targets, double smoothing);

/// Distillation loss: T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over the rows (Hinton et
/// al. 2015). Logits are [n, K], or [n, K, h, w] with the mean over the map.
at::Tensor distillation_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature);

/// Distance of two streams [n, N, C] between blocks: the mean over tokens and channels of the squared
/// difference after a LayerNorm without weights, summed over the rows. The norm removes the scale of a token
/// (a diluted block doubles its stream), which the next block's norm ignores too.
at::Tensor stream_loss(const at::Tensor& student, const at::Tensor& teacher);

/// High-frequency content of patch tokens x [n, N, C]: ln(mean amplitude of the 2-d Fourier transform beyond
/// pi / 2) minus ln(mean amplitude at all other frequencies), averaged over images, summed over the rows.
/// Amplitudes are averaged over channels. This is the quantity of the spectrum's curves
/// (analysis/spectrum.h), differentiable. `spec` gives the position and layout of the patch tokens.
at::Tensor high_frequency_content(const at::Tensor& x, const ModelSpec& spec);

}  // namespace vitrim::train
