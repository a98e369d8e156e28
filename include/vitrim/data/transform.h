#pragma once
// Evaluation transforms, equal to Pillow's to the bit where Pillow's are 8-bit.

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Pillow's antialiased resize: the kernel's support grows with the reduction, weights have 22 fraction bits,
/// the result of the horizontal pass is rounded to 8 bits before the vertical one. Pillow 13 turns the order
/// of the passes where the height shrinks much more than the width, which no resize that keeps the
/// proportions does (where one does not, single pixels may be off by one). Throws std::invalid_argument where
/// a side is below 1.
Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation);
/// Short side to `side`, the other side scaled as torchvision does (truncated to int).
Image resize_short_side(const Image& image, int64_t side, Interpolation interpolation);
/// Centre crop as torchvision does (rounding of the offset, zero padding where the image is smaller).
Image center_crop(const Image& image, int64_t side);
/// resize (unless preprocess.resize is empty; squashed, the proportions are not kept) and centre crop.
Image preprocess(const Image& image, const PreprocessSpec& spec);

/// (x / 255 - mean) / std of an image as planes: `out` holds 3 * height * width floats (CHW).
void normalize(const Image& image, const PreprocessSpec& spec, float* out);

}  // namespace vitrim::data
