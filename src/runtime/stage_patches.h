#pragma once
// The input of a stage's first product: the pixels or tokens under a convolution's kernel, side by side.

#include "runtime/stage_weights.h"

namespace vitrim::runtime {

/// The values of one output token as a row [step.matrix.k], with zeros outside of the map and after the
/// values. For an image [channels, height, width] the order is [channels, down, across].
template <typename T>
void image_patch(const KernelSet<T>& kernels, const StepWeights<T>& step, const float* image, Grid pixels,
                 int64_t line, int64_t column, T* patch);
/// The same for a map's tokens [height * width, channels]: [down, across, channels], with LayerNorm over all
/// of them if the step has one. wide: memory for them.
template <typename T>
void token_patch(const KernelSet<T>& kernels, const StepWeights<T>& step, float eps, const float* tokens,
                 Grid map, int64_t line, int64_t column, float* wide, T* patch);

}  // namespace vitrim::runtime
