#include "vitrim/data/transform.h"

#include <gtest/gtest.h>

#include "data/data_fixtures.h"

namespace vitrim::data {
namespace {

using namespace test;

/// Red is the row plus 1, green the column plus 1, so a pixel shows its origin, and 0 is padding.
Image coordinates(int64_t height, int64_t width) {
  Image image{height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (const int64_t value : {y + 1, x + 1, int64_t{7}})
        image.pixels.push_back(static_cast<uint8_t>(value));
    }
  }
  return image;
}

/// The row and column of origin of a result's pixel; (-1, -1): padding.
std::pair<int, int> source(const Image& image, int64_t y, int64_t x) {
  const uint8_t* pixel = image.pixels.data() + (y * image.width + x) * 3;
  return {pixel[0] - 1, pixel[1] - 1};
}

TEST(CenterCrop, RoundsHalfPixelsToEvenOffsets) {
  // torchvision: int(round((size - side) / 2)), and Python rounds halves to even.
  const int64_t side = 10;
  const std::pair<int64_t, int> cases[] = {{10, 0}, {11, 0}, {12, 1}, {13, 2}, {14, 2},
                                           {15, 2}, {16, 3}, {17, 4}, {19, 4}};
  for (const auto& [size, offset] : cases) {
    const Image cropped = center_crop(coordinates(size, 12), side);
    ASSERT_EQ(cropped.height, side);
    ASSERT_EQ(cropped.width, side);
    EXPECT_EQ(source(cropped, 0, 0), std::pair(offset, 1)) << size;
    EXPECT_EQ(source(cropped, 9, 9), std::pair(offset + 9, 10)) << size;
  }
}

TEST(CenterCrop, PadsWithZerosSmallerHalfFirst) {
  const Image cropped = center_crop(coordinates(3, 20), 8);
  EXPECT_EQ(source(cropped, 1, 0), std::pair(-1, -1));
  EXPECT_EQ(source(cropped, 2, 0), std::pair(0, 6));  // two rows above, three below
  EXPECT_EQ(source(cropped, 4, 7), std::pair(2, 13));
  EXPECT_EQ(source(cropped, 5, 7), std::pair(-1, -1));
  EXPECT_THROW(center_crop(coordinates(3, 3), 0), std::invalid_argument);
}

TEST(Preprocess, SquashesWhereAsked) {
  PreprocessSpec spec;
  spec.crop = 16;
  spec.resize = 20;
  spec.squash = true;
  const Image image = pattern(40, 60);
  EXPECT_EQ(preprocess(image, spec).pixels,
            center_crop(resize(image, 20, 20, spec.interpolation), 16).pixels);
  spec.squash = false;
  EXPECT_EQ(preprocess(image, spec).pixels,
            center_crop(resize(image, 20, 30, spec.interpolation), 16).pixels);
}

TEST(Preprocess, ResizesOnlyWhereAsked) {
  PreprocessSpec spec;
  spec.crop = 16;
  const Image image = pattern(40, 60);
  EXPECT_EQ(preprocess(image, spec).pixels, center_crop(image, 16).pixels);
  spec.resize = 20;
  spec.interpolation = Interpolation::kBilinear;
  EXPECT_EQ(preprocess(image, spec).pixels,
            center_crop(resize(image, 20, 30, Interpolation::kBilinear), 16).pixels);
}

}  // namespace
}  // namespace vitrim::data
