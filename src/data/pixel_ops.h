#pragma once
// The single operations of augmentation on 8-bit pixels. All are bit-identical to Pillow's (ImageOps,
// ImageEnhance, Image.transform and Image.rotate). Factors are Pillow's; a factor of 1 changes nothing.

#include <array>
#include <cstdint>

#include "vitrim/core/model_spec.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data {

/// The window with top left corner (top, left); pixels outside the image are 0.
struct Window {
  int64_t top = 0, left = 0, height = 0, width = 0;
};
Image crop(const Image& image, const Window& window);
void flip_horizontal(Image& image);

/// Stretches each channel so that its smallest value becomes 0 and its largest 255.
void auto_contrast(Image& image);
/// Maps each channel through its cumulative histogram.
void equalize(Image& image);
void invert(Image& image);
/// Keeps the highest `bits` bits, 0..8. (Pillow refuses 0; here it gives black as in Pillow's older
/// versions.)
void posterize(Image& image, int bits);
/// Inverts the values that are at least `threshold`.
void solarize(Image& image, int threshold);
/// Adds `amount` to the values below 128, clipped at 255.
void solarize_add(Image& image, int amount);

/// Blends the image with the grey image (Pillow's "L": Rec. 601 luma), with its mean, with black, or with the
/// smoothed image.
void adjust_color(Image& image, double factor);
void adjust_contrast(Image& image, double factor);
void adjust_brightness(Image& image, double factor);
void adjust_sharpness(Image& image, double factor);

/// How values between pixels are interpolated, and the colour outside the image.
struct Sampling {
  Interpolation interpolation = Interpolation::kBicubic;
  std::array<uint8_t, 3> fill{0, 0, 0};
};
/// An affine transform: the result at (x, y) is the image at (m[0] x + m[1] y + m[2], m[3] x + m[4] y +
/// m[5]), with pixel centres at halves. No antialiasing; Keys' kernel has a = -1 here, as in Pillow, unlike
/// in resize().
Image affine(const Image& image, const std::array<double, 6>& m, const Sampling& sampling);
/// Rotates counterclockwise around the centre; the size does not change.
Image rotate(const Image& image, double degrees, const Sampling& sampling);

}  // namespace vitrim::data
