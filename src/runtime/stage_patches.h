#pragma once
// What a stage's first product reads: the pixels or tokens under a convolution's kernel, side by side.

#include "runtime/stage_weights.h"

namespace vitrim::runtime {

/// One output token's values as a row [step.matrix.k]; zeros where the kernel hangs over the edge and after
/// the values. Of an image [channels, height, width]: [channels, down, across].
template <typename T>
void image_patch(const KernelSet<T>& kernels, const StepWeights<T>& step, const float* image, Grid pixels,
                 int64_t line, int64_t column, T* patch);
/// Of a map's tokens [height * width, channels]: [down, across, channels], LayerNorm over all of them where
/// the step has one. wide: room for them.
template <typename T>
void token_patch(const KernelSet<T>& kernels, const StepWeights<T>& step, float eps, const float* tokens,
                 Grid map, int64_t line, int64_t column, float* wide, T* patch);

}  // namespace vitrim::runtime
