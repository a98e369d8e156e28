#pragma once
// Evaluation transforms. On 8-bit images they are bit-identical to those of torchvision on Pillow (up to
// version 12).

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// Antialiased resize as in Pillow up to version 12, with which published models were trained. The kernel's
/// support grows with the reduction, weights have 22 fraction bits, and the result of the horizontal pass is
/// rounded to 8 bits before the vertical pass. Pillow 13 does the vertical pass first for some sizes, mainly
/// for tall images. Each of its passes is the same, but other intermediate values are rounded, so pixels
/// differ by 1 (bilinear) or by up to 24 levels (bicubic). On noise this concerns 8 of 252 sizes that keep
/// the proportions, all sizes of an image ten times as tall as wide, and 44 of 252 squares. Throws
/// std::invalid_argument if a side is below 1.
Image resize(const Image& image, int64_t height, int64_t width, Interpolation interpolation);
/// Resizes the short side to `side` pixels; the other side is scaled as torchvision does (truncated to an
/// integer).
Image resize_short_side(const Image& image, int64_t side, Interpolation interpolation);
/// Centre crop as in torchvision (rounding of the offset, zero padding if the image is smaller).
Image center_crop(const Image& image, int64_t side);
/// Resizes (unless spec.resize is empty; with spec.squash without keeping the proportions), then
/// centre-crops.
Image preprocess(const Image& image, const PreprocessSpec& spec);

/// A limit for the result of resizing. Without it, an image of 1 x 1000000 pixels resized to a short side of
/// 256 would need gigabytes. `name` is the image's name in messages.
struct ResizeLimit {
  int64_t max_pixels = kMaxPixels;
  std::string name;
  /// Throws FormatError if resizing to these sides, or the pass between, would create more pixels.
  void check(const Image& image, int64_t height, int64_t width) const;
  /// The same for the resize in preprocess().
  void check(const Image& image, const PreprocessSpec& spec) const;
};

/// Converts an image to grey as Pillow's "L" does (Rec. 601 luma); all three channels get this value.
void make_grey(Image& image);

/// Writes (x / 255 - mean) / std to `out` as planes: channels * height * width floats (CHW). With one
/// channel, the first channel of a grey image is used.
void normalize(const Image& image, const PreprocessSpec& spec, float* out, int64_t channels = 3);

}  // namespace vitrim::data
