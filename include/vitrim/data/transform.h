#pragma once
// Evaluation transforms, equal to Pillow's to the bit where Pillow's are 8-bit.

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Pillow's antialiased resize (support scaled by the reduction, 8-bit fixed-point coefficients, horizontal pass then vertical).
Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation);
/// Short side to `side`, the other side scaled as torchvision does (truncated to int).
Image resize_short_side(const Image& image, int64_t side, Interpolation interpolation);
/// Centre crop as torchvision does (rounding of the offset, zero padding where the image is smaller).
Image center_crop(const Image& image, int64_t side);
/// resize (unless preprocess.resize is empty) and centre crop.
Image preprocess(const Image& image, const PreprocessSpec& spec);

}  // namespace vitrim::data
