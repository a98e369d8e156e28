#include "runtime/stage_patches.h"

#include <algorithm>
#include <cstring>

namespace vitrim::runtime {

namespace {

// The part of a kernel with start `from` that is inside of `length`.
struct Inside {
  int64_t begin, end;
};
Inside inside(int64_t from, int64_t kernel, int64_t length) {
  return {std::max<int64_t>(0, -from), std::min(kernel, length - from)};
}

}  // namespace

template <typename T>
void image_patch(const KernelSet<T>& kernels, const StepWeights<T>& step, const float* image, Grid pixels,
                 int64_t line, int64_t column, T* patch) {
  const int64_t kernel = step.layout.kernel, top = line * step.layout.stride - step.layout.padding,
                left = column * step.layout.stride - step.layout.padding;
  const Inside down = inside(top, kernel, pixels.height), across = inside(left, kernel, pixels.width);
  const int64_t area = kernel * kernel, width = across.end - across.begin;
  if (width < kernel || down.end - down.begin < kernel) std::fill(patch, patch + step.channels * area, T{});
  for (int64_t c = 0; c < step.channels; ++c) {
    const float* from = image + (c * pixels.height + top + down.begin) * pixels.width + left + across.begin;
    T* to = patch + c * area + down.begin * kernel + across.begin;
    if (width == kernel) {
      kernels.convert(from, pixels.width, down.end - down.begin, kernel, to, kernel);
    } else {  // values next to a line belong to another line, and must not be overwritten
      for (int64_t y = down.begin; y < down.end; ++y, from += pixels.width, to += kernel)
        kernels.convert(from, pixels.width, 1, width, to, width);
    }
  }
  std::fill(patch + step.channels * area, patch + step.matrix.k, T{});
}

template <typename T>
void token_patch(const KernelSet<T>& kernels, const StepWeights<T>& step, float eps, const float* tokens,
                 Grid map, int64_t line, int64_t column, float* wide, T* patch) {
  const int64_t kernel = step.layout.kernel, top = line * step.layout.stride - step.layout.padding,
                left = column * step.layout.stride - step.layout.padding;
  const Inside down = inside(top, kernel, map.height), across = inside(left, kernel, map.width);
  const int64_t run = kernel * step.channels, count = (across.end - across.begin) * step.channels,
                total = kernel * run;
  const bool normed = !step.layout.norm_patch.empty(), ragged = down.end - down.begin < kernel || count < run;
  if (ragged && !normed) std::fill(patch, patch + total, T{});
  if (ragged && normed) std::fill(wide, wide + total, 0.0f);
  for (int64_t y = down.begin; y < down.end; ++y) {
    const float* from = tokens + ((top + y) * map.width + left + across.begin) * step.channels;
    const int64_t to = y * run + across.begin * step.channels;
    if (normed) {
      std::memcpy(wide + to, from, static_cast<size_t>(count) * sizeof(float));
    } else {
      kernels.convert(from, count, 1, count, patch + to, count);
    }
  }
  if (normed) kernels.normalize(wide, total, 1, total, eps, patch, total);
  std::fill(patch + total, patch + step.matrix.k, T{});
}

template void image_patch(const KernelSet<float>&, const StepWeights<float>&, const float*, Grid, int64_t,
                          int64_t, float*);
template void image_patch(const KernelSet<Bf16>&, const StepWeights<Bf16>&, const float*, Grid, int64_t,
                          int64_t, Bf16*);
template void token_patch(const KernelSet<float>&, const StepWeights<float>&, float, const float*, Grid,
                          int64_t, int64_t, float*, float*);
template void token_patch(const KernelSet<Bf16>&, const StepWeights<Bf16>&, float, const float*, Grid,
                          int64_t, int64_t, float*, Bf16*);

}  // namespace vitrim::runtime
