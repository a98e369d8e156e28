#include "vitrim/data/augment.h"

#include <gtest/gtest.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "data/data_fixtures.h"
#include "data/random_window.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

using namespace test;

AugmentOptions nothing() {
  AugmentOptions options;
  options.random_resized_crop = false;
  options.horizontal_flip = 0;
  options.rand_augment_ops = 0;
  options.erase_probability = 0;
  return options;
}

PreprocessSpec input(int64_t crop) {
  PreprocessSpec spec;
  spec.crop = crop;
  spec.mean = {0.485, 0.456, 0.406};
  return spec;
}

/// Five standard deviations of a share that is `probability` in the mean, over `count` trials.
double share_tolerance(double probability, int64_t count) {
  return 5 * std::sqrt(probability * (1 - probability) / static_cast<double>(count));
}

TEST(Augment, NothingIsPreprocess) {
  Random random(1);
  PreprocessSpec spec = input(24);
  spec.resize = 30;
  const Image image = pattern(41, 57);
  EXPECT_EQ(augment(image, spec, nothing(), random).pixels, preprocess(image, spec).pixels);
}

TEST(Augment, TheSeedDecides) {
  const Image image = pattern(60, 81);
  std::map<std::string, int> seen;
  for (int seed = 0; seed < 50; ++seed) {
    Random first(seed), second(seed);
    const Image one = augment(image, input(32), {}, first);
    EXPECT_EQ(one.height, 32);
    EXPECT_EQ(one.width, 32);
    ASSERT_EQ(one.pixels.size(), 32 * 32 * 3);
    EXPECT_EQ(hash(one), hash(augment(image, input(32), {}, second)));
    EXPECT_EQ(first.next(), second.next());  // as much was drawn
    ++seen[hash(one)];
  }
  EXPECT_GE(seen.size(), 49);  // an inverted, equalised or otherwise equal pair is no mistake, but rare
}

TEST(Augment, FlipsAsOftenAsAsked) {
  const Image image = pattern(6, 6);
  Image mirrored = image;
  flip_horizontal(mirrored);
  AugmentOptions options = nothing();
  options.horizontal_flip = 0.3;
  Random random(2);
  const int64_t count = 4000;
  int64_t flipped = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Image result = augment(image, input(6), options, random);
    const bool is_mirrored = result.pixels == mirrored.pixels;
    ASSERT_TRUE(is_mirrored || result.pixels == image.pixels);
    flipped += is_mirrored;
  }
  EXPECT_NEAR(static_cast<double>(flipped) / count, 0.3, share_tolerance(0.3, count));
}

TEST(Augment, RandomCropReachesEveryOffsetOfThePaddedImage) {
  Image image{8, 8, std::vector<uint8_t>(8 * 8 * 3, 0)};
  image.pixels[(4 * 8 + 4) * 3] = 255;  // moves with the window, from -2 to 2 either way
  AugmentOptions options = nothing();
  options.padding = 2;
  Random random(3);
  const int64_t count = 5000;
  std::map<int64_t, int64_t> places;
  for (int64_t i = 0; i < count; ++i) {
    const Image result = augment(image, input(8), options, random);
    ++places[std::find(result.pixels.begin(), result.pixels.end(), 255) - result.pixels.begin()];
  }
  EXPECT_EQ(places.size(), 25);
  for (const auto& [place, times] : places) {
    EXPECT_LE(std::abs(place / 3 / 8 - 4), 2);
    EXPECT_LE(std::abs(place / 3 % 8 - 4), 2);
    EXPECT_NEAR(static_cast<double>(times) / count, 0.04, share_tolerance(0.04, count));
  }
}

TEST(Augment, SmallImagesArePaddedToTheCrop) {
  AugmentOptions options = nothing();
  options.padding = 1;
  Random random(4);
  const Image result = augment(Image{2, 2, std::vector<uint8_t>(12, 9)}, input(10), options, random);
  EXPECT_EQ(result.pixels.size(), 300);
  EXPECT_EQ(std::count(result.pixels.begin(), result.pixels.end(), 9), 12);
}

TEST(Augment, CropAndResizeKeepARampARamp) {
  Image image{200, 250, {}};
  for (int64_t y = 0; y < 200; ++y) {
    for (int64_t x = 0; x < 250; ++x) {
      image.pixels.insert(image.pixels.end(),
                          {static_cast<uint8_t>(x), static_cast<uint8_t>(y), static_cast<uint8_t>(255 - x)});
    }
  }
  AugmentOptions options = nothing();
  options.random_resized_crop = true;
  Random random(5);
  for (int i = 0; i < 40; ++i) {
    const Image result = augment(image, input(32), options, random);
    const auto at = [&](int64_t y, int64_t x, int64_t c) -> int {
      return result.pixels[(y * 32 + x) * 3 + c];
    };
    for (int64_t y = 1; y < 32; ++y) {
      for (int64_t x = 1; x < 32; ++x) {
        ASSERT_GE(at(y, x, 0), at(y, x - 1, 0));
        ASSERT_EQ(at(y, x, 0), at(y - 1, x, 0));
        ASSERT_GE(at(y, x, 1), at(y - 1, x, 1));
        // Two passes round by half a step each, in either channel.
        ASSERT_NEAR(at(y, x, 0) + at(y, x, 2), 255, 2);
      }
    }
    // The window's sides: at least those of the smallest area at the sharpest ratio.
    const double side = std::sqrt(0.08 * 200 * 250 * 0.75);
    EXPECT_GE(at(0, 31, 0) - at(0, 0, 0), side * 31 / 32 - 4);
    EXPECT_GE(at(31, 0, 1) - at(0, 0, 1), side * 31 / 32 - 4);
  }
}

TEST(RandomWindow, AreaAndRatioAreWhatWasAsked) {
  AugmentOptions options;
  options.scale_min = 0.1;
  options.scale_max = 0.5;  // always fits into a square, so nothing is drawn again
  Random random(6);
  const int64_t count = 4000, side = 1000;
  double sum = 0;
  int64_t wide = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Window w = random_window(side, side, options, random);
    ASSERT_GE(w.top, 0);
    ASSERT_GE(w.left, 0);
    ASSERT_LE(w.top + w.height, side);
    ASSERT_LE(w.left + w.width, side);
    // Sides of 270 pixels and more are rounded by half a pixel at most: 0.4 % of area and ratio.
    const double area = static_cast<double>(w.height * w.width) / (side * side);
    const double ratio = static_cast<double>(w.width) / static_cast<double>(w.height);
    ASSERT_GE(area, 0.1 * 0.996);
    ASSERT_LE(area, 0.5 * 1.004);
    ASSERT_GE(ratio, 0.75 * 0.996);
    ASSERT_LE(ratio, 1.004 / 0.75);
    sum += area;
    wide += w.width > w.height;
  }
  // A uniform variable's standard deviation is its range / sqrt(12).
  EXPECT_NEAR(sum / count, 0.3, 5 * 0.4 / std::sqrt(12.0 * count));
  // Log-uniform: as often wide as tall; equal sides after rounding are about one in a thousand.
  EXPECT_NEAR(static_cast<double>(wide) / count, 0.5, share_tolerance(0.5, count) + 0.002);
}

TEST(RandomWindow, FallsBackToTheCentre) {
  AugmentOptions options;
  options.scale_min = options.scale_max = 1;
  Random random(7);
  const Window wide = random_window(30, 900, options, random);
  EXPECT_EQ(wide.height, 30);
  EXPECT_EQ(wide.width, 40);
  EXPECT_EQ(wide.top, 0);
  EXPECT_EQ(wide.left, 430);
  const Window tall = random_window(901, 30, options, random);
  EXPECT_EQ(tall.height, 40);
  EXPECT_EQ(tall.width, 30);
  EXPECT_EQ(tall.top, 430);  // 430.5, cut off
  for (const auto& [height, width] : {std::pair{1, 1}, std::pair{1, 50}, std::pair{50, 1}}) {
    const Window window = random_window(height, width, {}, random);
    EXPECT_GE(window.height, 1);
    EXPECT_GE(window.width, 1);
    EXPECT_LE(window.top + window.height, height);
    EXPECT_LE(window.left + window.width, width);
  }
}

TEST(RandAugment, HalfOfTheOperationsAreApplied) {
  Image image = pattern(24, 24);
  for (uint8_t& value : image.pixels)
    value = static_cast<uint8_t>(value / 4 + 30);  // each of the fifteen changes it
  AugmentOptions options = nothing();
  options.rand_augment_ops = 1;
  Random random(8);
  const int64_t count = 3000;
  int64_t same = 0, filled = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Image result = augment(image, input(24), options, random);
    same += result.pixels == image.pixels;
    // The mean colour round(255 * 0.485), round(255 * 0.456), round(255 * 0.406) fills a whole corner.
    for (const int64_t corner : {0, 23, 23 * 24, 24 * 24 - 1}) {
      const uint8_t* p = result.pixels.data() + corner * 3;
      if (p[0] == 124 && p[1] == 116 && p[2] == 104) {
        ++filled;
        break;
      }
    }
  }
  EXPECT_NEAR(static_cast<double>(same) / count, 0.5, share_tolerance(0.5, count));
  EXPECT_NEAR(static_cast<double>(filled) / count, 0.5 * 5 / 15, share_tolerance(1.0 / 6, count));
}

TEST(ColorJitter, IsBoundedAndOnlyWithoutRandAugment) {
  const Image grey{4, 4, std::vector<uint8_t>(48, 100)};  // contrast and saturation do not change it
  AugmentOptions options = nothing();
  options.color_jitter = 0.4;
  Random random(9);
  const int64_t count = 2000;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int value = augment(grey, input(4), options, random).pixels[0];
    ASSERT_GE(value, 59);  // 60, where the factor's float may lie below
    ASSERT_LE(value, 140);
    sum += value;
  }
  // Uniform on 60..140, truncated: half a step less in the mean.
  EXPECT_NEAR(sum / count, 99.5, 5 * 80 / std::sqrt(12.0 * count));

  AugmentOptions with = {}, without = {};
  with.color_jitter = 0.4;
  const Image image = pattern(30, 30);
  for (int seed = 0; seed < 5; ++seed) {
    Random first(seed), second(seed);
    EXPECT_EQ(augment(image, input(16), with, first).pixels,
              augment(image, input(16), without, second).pixels);
  }
}

TEST(Augment, KeepsNoMemory) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  const Image image = pattern(64, 64);
  const auto used = [&](int count) {
    Random random(10);
    for (int i = 0; i < count; ++i) augment(image, input(96), {}, random);
    return mallinfo2().uordblks;  // 0 under the sanitizers, which look for leaks themselves
  };
  const size_t before = used(50);
  EXPECT_LE(used(500), before + 96 * 96 * 3);  // less than one image
#else
  GTEST_SKIP() << "SKIPPED: only glibc says how much memory is in use";
#endif
}

TEST(Erase, ErasesABoxAsOftenAndAsLargeAsAsked) {
  AugmentOptions options;
  options.erase_probability = 0.4;
  Random random(11);
  const int64_t count = 1500, height = 60, width = 50;
  int64_t erased = 0, values = 0, within = 0;
  double sum = 0, squares = 0;
  at::Tensor batch = at::full({2, 3, height, width}, 7.0f);
  for (int64_t i = 0; i < count; ++i) {
    batch.fill_(7.0f);
    at::Tensor image = batch[1];
    random_erase(image, options, random);
    ASSERT_TRUE(at::all(batch[0] == 7.0f).item<bool>());  // the neighbour in the batch is left alone
    const at::Tensor changed = batch[1] != 7.0f;
    const int64_t all = changed.sum().item<int64_t>();
    if (all == 0) continue;
    ++erased;
    const int64_t rows = changed.any(2).any(0).sum().item<int64_t>();
    const int64_t columns = changed.any(1).any(0).sum().item<int64_t>();
    ASSERT_EQ(all, 3 * rows * columns);  // a box, in every channel
    // Rounding moves each side by half a pixel.
    const double h = static_cast<double>(rows), w = static_cast<double>(columns), area = height * width;
    ASSERT_GE((h + 0.5) * (w + 0.5), 0.02 * area);
    ASSERT_LE((h - 0.5) * (w - 0.5), area / 3);
    ASSERT_LE((h - 0.5) / (w + 0.5), 1 / 0.3);
    ASSERT_GE((h + 0.5) / (w - 0.5), 0.3);
    const at::Tensor noise = batch[1].masked_select(changed).to(at::kDouble);
    values += all;
    sum += noise.sum().item<double>();
    squares += noise.square().sum().item<double>();
    within += (noise.abs() < 1).sum().item<int64_t>();
  }
  EXPECT_NEAR(static_cast<double>(erased) / count, 0.4, share_tolerance(0.4, count));
  // Standard normal: mean 0 +- 1 / sqrt(n), second moment 1 +- sqrt(2 / n), 68.27 % within one.
  const auto n = static_cast<double>(values);
  EXPECT_GT(n, 1e5);
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(static_cast<double>(within) / n, 0.6827, share_tolerance(0.6827, values));
}

TEST(Erase, IsTheSameFromTheSameSeed) {
  AugmentOptions options;
  options.erase_probability = 1;
  at::Tensor first = at::zeros({3, 20, 20}), second = at::zeros({3, 20, 20});
  Random one(12), two(12);
  random_erase(first, options, one);
  random_erase(second, options, two);
  EXPECT_TRUE(at::equal(first, second));
  EXPECT_GT(first.abs().sum().item<float>(), 0);
  EXPECT_EQ(one.next(), two.next());
}

TEST(Erase, WantsAnImage) {
  Random random(13);
  for (at::Tensor bad : {at::Tensor(), at::zeros({1, 3, 4, 4}), at::zeros({4, 4, 4}),
                         at::zeros({3, 4, 4}, at::kByte), at::zeros({3, 4, 4}).transpose(1, 2)}) {
    EXPECT_TRUE(
        contains(message_of<std::invalid_argument>([&] { random_erase(bad, {}, random); }), "[3, H, W]"));
  }
}

TEST(AugmentOptions, NameTheFieldThatIsOutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::map<std::string, std::vector<std::function<void(AugmentOptions&)>>> mistakes{
      {"scale_min", {[](auto& o) { o.scale_min = 0; }, [=](auto& o) { o.scale_min = nan; }}},
      {"scale_max", {[](auto& o) { o.scale_max = 0.01; }, [](auto& o) { o.scale_max = 1.5; }}},
      {"ratio_min", {[](auto& o) { o.ratio_min = -1; }, [=](auto& o) { o.ratio_min = nan; }}},
      {"ratio_max", {[](auto& o) { o.ratio_max = 0.5; }}},
      {"padding", {[](auto& o) { o.padding = -1; }}},
      {"horizontal_flip",
       {[](auto& o) { o.horizontal_flip = 1.1; }, [=](auto& o) { o.horizontal_flip = nan; }}},
      {"rand_augment_ops", {[](auto& o) { o.rand_augment_ops = -2; }}},
      {"rand_augment_magnitude", {[](auto& o) { o.rand_augment_magnitude = 10.5; }}},
      {"rand_augment_std", {[](auto& o) { o.rand_augment_std = -0.5; }}},
      {"color_jitter", {[](auto& o) { o.color_jitter = -0.1; }}},
      {"erase_probability", {[](auto& o) { o.erase_probability = -0.1; }}},
      {"erase_area_min", {[](auto& o) { o.erase_area_min = 0; }}},
      {"erase_area_max", {[](auto& o) { o.erase_area_max = 0.01; }}}};
  EXPECT_NO_THROW(validate({}));
  Random random(14);
  for (const auto& [field, changes] : mistakes) {
    for (const auto& change : changes) {
      AugmentOptions options;
      change(options);
      const std::string message = message_of<std::invalid_argument>([&] { validate(options); });
      EXPECT_TRUE(contains(message, "] " + field + " must"));
      EXPECT_THROW(augment(pattern(4, 4), input(4), options, random), std::invalid_argument);
    }
  }
  EXPECT_THROW(augment(Image{}, input(4), {}, random), std::invalid_argument);
  EXPECT_THROW(augment(pattern(4, 4), input(0), {}, random), std::invalid_argument);
}

}  // namespace
}  // namespace vitrim::data
