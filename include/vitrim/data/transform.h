#pragma once
// Evaluation transforms, equal to those of torchvision on Pillow (up to version 12) to the bit where these
// are 8-bit.

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Pillow's antialiased resize as its versions up to 12 do it, with which published models were trained: the
/// kernel's support grows with the reduction, weights have 22 fraction bits, the result of the horizontal
/// pass is rounded to 8 bits before the vertical one. Pillow 13 does the vertical pass first for some sizes,
/// for tall images above all; each of its passes is the same, but between them the other values are rounded,
/// and pixels differ by 1 where the filter is bilinear, by up to 24 levels where it is bicubic (measured on
/// noise: 8 of 252 sizes that keep the proportions, all of an image ten times as tall as wide, and 44 of 252
/// squares). Throws std::invalid_argument where a side is below 1.
Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation);
/// Short side to `side`, the other side scaled as torchvision does (truncated to int).
Image resize_short_side(const Image& image, int64_t side, Interpolation interpolation);
/// Centre crop as torchvision does (rounding of the offset, zero padding where the image is smaller).
Image center_crop(const Image& image, int64_t side);
/// resize (unless preprocess.resize is empty; squashed, the proportions are not kept) and centre crop.
Image preprocess(const Image& image, const PreprocessSpec& spec);

/// What resizing may make of an image that is called `name`: with 1 x 1000000 pixels a short side of 256 asks
/// for gigabytes.
struct ResizeLimit {
  int64_t max_pixels = kMaxPixels;
  std::string name;
  /// Throws FormatError where resizing to these sides, or the pass between, would make more pixels.
  void check(const Image& image, int64_t height, int64_t width) const;
  /// The same for what preprocess() does.
  void check(const Image& image, const PreprocessSpec& spec) const;
};

/// Makes an image grey as Pillow's "L" does (Rec. 601 luma), all three channels alike.
void make_grey(Image& image);

/// (x / 255 - mean) / std of an image as planes: `out` holds channels * height * width floats (CHW). One
/// channel: the first, of an image that is grey.
void normalize(const Image& image, const PreprocessSpec& spec, float* out, int64_t channels = 3);

}  // namespace vitrim::data
