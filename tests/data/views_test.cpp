// Views: functions of only seed, pass and image, and as varied as requested.

#include "vitrim/data/views.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "vitrim/data/synthetic.h"

namespace vitrim::data {
namespace {

ViewOptions crops(double scale_min, std::vector<int64_t> indices) {
  ViewOptions options;
  options.load.preprocess.crop = 32;
  options.load.preprocess.resize = 32;
  options.load.indices = std::move(indices);
  options.augment.rand_augment_ops = 0;
  options.augment.erase_probability = 0;
  options.augment.scale_min = scale_min;
  return options;
}

TEST(Views, DependOnSeedPassAndImageAlone) {
  const auto dataset = open_dataset("synthetic:calib:12");
  ViewOptions options = crops(0.3, {3, 5, 7, 9});
  const ImageBatch one = load_views(*dataset, options);
  EXPECT_EQ(one.size(), 4);
  EXPECT_EQ(one.pixels.sizes(), at::IntArrayRef({4, 3, 32, 32}));
  options.load.indices = {9, 3};
  options.load.threads = 1;
  const ImageBatch other = load_views(*dataset, options);
  EXPECT_TRUE(at::equal(other.pixels[0], one.pixels[3]));
  EXPECT_TRUE(at::equal(other.pixels[1], one.pixels[0]));
  EXPECT_EQ(other.names[0], one.names[3]);
  options.pass = 1;
  EXPECT_FALSE(at::equal(load_views(*dataset, options).pixels[0], other.pixels[0]));
  options.pass = 0;
  options.seed = 1;
  EXPECT_FALSE(at::equal(load_views(*dataset, options).pixels[0], other.pixels[0]));
}

TEST(Views, OfTheWholeImageAreTheImage) {
  const auto dataset = open_dataset("synthetic:calib:4");
  ViewOptions options = crops(1, {0, 1, 2, 3});
  options.augment.ratio_min = options.augment.ratio_max = 1;
  options.augment.horizontal_flip = 0;
  LoadOptions plain = options.load;
  EXPECT_TRUE(at::equal(load_views(*dataset, options).pixels, load_images(*dataset, plain).pixels));
  options.augment.scale_min = 2;
  EXPECT_THROW(load_views(*dataset, options), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::data
