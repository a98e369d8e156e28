#include "data/pixel_ops.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>

#include "data/data_fixtures.h"
#include "data/rand_augment.h"

namespace vitrim::data {
namespace {

using namespace test;

/// The pictures of pixel_ops_reference.py.
Image picture(const std::string& kind, int64_t width, int64_t height) {
  Image image = pattern(height, width);
  for (int64_t y = 0, i = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c, ++i) {
        uint8_t& value = image.pixels[i];
        if (kind == "faint") value = static_cast<uint8_t>((value >> 2) + 30);
        if (kind == "waves") value = static_cast<uint8_t>((x * (c + 2) + y * (5 - c) + x * y / 16) % 241);
        if (kind == "flat") value = static_cast<uint8_t>(40 + 70 * c);
      }
    }
  }
  return image;
}

Image apply_named(const std::string& name, double value, const std::string& filter, Image image) {
  const Sampling sampling{filter == "bicubic" ? Interpolation::kBicubic : Interpolation::kBilinear,
                          {124, 116, 7}};
  const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
  const int integer = static_cast<int>(value);
  const std::map<std::string, std::function<void()>> operations{
      {"auto_contrast", [&] { auto_contrast(image); }},
      {"equalize", [&] { equalize(image); }},
      {"invert", [&] { invert(image); }},
      {"posterize", [&] { posterize(image, integer); }},
      {"solarize", [&] { solarize(image, integer); }},
      {"solarize_add", [&] { solarize_add(image, integer); }},
      {"color", [&] { adjust_color(image, value); }},
      {"contrast", [&] { adjust_contrast(image, value); }},
      {"brightness", [&] { adjust_brightness(image, value); }},
      {"sharpness", [&] { adjust_sharpness(image, value); }},
      {"flip", [&] { flip_horizontal(image); }},
      {"rotate", [&] { image = rotate(image, value, sampling); }},
      {"shear_x", [&] { image = affine(image, {1, value, 0, 0, 1, 0}, sampling); }},
      {"shear_y", [&] { image = affine(image, {1, 0, 0, value, 1, 0}, sampling); }},
      {"translate_x", [&] { image = affine(image, {1, 0, value * width, 0, 1, 0}, sampling); }},
      {"translate_y", [&] { image = affine(image, {1, 0, 0, 0, 1, value * height}, sampling); }}};
  operations.at(name)();
  return image;
}

/// Every line of pixel_ops_reference.py's output is a case; they must be equal to the bit. Returns how many.
int64_t expect_equal(const std::string& reference) {
  std::istringstream lines(reference);
  std::string name, argument, filter, kind, sha;
  int64_t width = 0, height = 0, count = 0;
  for (; lines >> name >> argument >> filter >> kind >> width >> height >> sha; ++count) {
    const double value = std::strtod(argument.c_str(), nullptr);
    const Image result = apply_named(name, value, filter, picture(kind, width, height));
    EXPECT_EQ(result.width, width);
    EXPECT_EQ(result.height, height);
    EXPECT_EQ(hash(result), sha) << name << " " << value << " " << filter << " of " << kind << " " << width
                                 << " x " << height;
  }
  return count;
}

TEST(PixelOps, EqualPillowsCommittedHashes) {
  // 11 operations of 4 pictures by 3 arguments, and 5 with two filters.
  EXPECT_EQ(expect_equal(fixture_bytes("pixel_ops.txt")), (11 + 5 * 2) * 4 * 3);
}

TEST(PixelOps, EqualPillowNow) {
  if (std::system("python3 -c 'import PIL.Image, numpy' >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "SKIPPED: python3 cannot import PIL and numpy (pip install Pillow numpy), so only the "
                    "committed hashes were compared";
  }
  const TempDir folder;
  const std::string script = fixture("../pixel_ops_reference.py").string();
  ASSERT_EQ(std::system(("python3 '" + script + "' 2 10 > '" + folder.file("out") + "'").c_str()), 0);
  EXPECT_EQ(expect_equal(read_text_file(folder.file("out"))), (11 + 5 * 2) * 4 * 10);
}

TEST(PixelOps, CropPadsWithZeros) {
  const Image image = picture("faint", 4, 3);  // no zeros in it
  const Image inside = crop(image, {1, 1, 2, 3});
  for (int64_t y = 0; y < 2; ++y) {
    for (int64_t i = 0; i < 9; ++i) EXPECT_EQ(inside.pixels[y * 9 + i], image.pixels[(y + 1) * 12 + 3 + i]);
  }
  const Image around = crop(image, {-2, -1, 7, 6});
  for (int64_t y = 0; y < 7; ++y) {
    for (int64_t x = 0; x < 6; ++x) {
      const bool is_inside = y >= 2 && y < 5 && x >= 1 && x < 5;
      EXPECT_EQ(around.pixels[(y * 6 + x) * 3], is_inside ? image.pixels[((y - 2) * 4 + x - 1) * 3] : 0);
    }
  }
  EXPECT_EQ(crop(image, {0, 9, 2, 2}).pixels, std::vector<uint8_t>(12, 0));
}

TEST(PixelOps, EmptyImagesAndNoBitsDoNoHarm) {
  Image empty;
  for (int64_t op = 0; op < kRandAugmentOps; ++op) apply(empty, static_cast<RandAugmentOp>(op), 9, false, {});
  flip_horizontal(empty);
  EXPECT_TRUE(empty.pixels.empty());
  Image image = pattern(5, 4);
  posterize(image, 0);
  EXPECT_EQ(image.pixels, std::vector<uint8_t>(60, 0));
}

// timm's meaning of the levels for rand-m9-inc1, worked out by hand.
TEST(RandAugment, LevelsMeanWhatTimmsMean) {
  const Image image = picture("waves", 40, 30);
  const Sampling sampling{Interpolation::kBicubic, {1, 2, 3}};
  const auto level = [&](RandAugmentOp op, double value, bool negative) {
    Image result = image;
    apply(result, op, value, negative, sampling);
    return result.pixels;
  };
  const auto with = [&](auto&& change) {
    Image result = image;
    change(result);
    return result.pixels;
  };
  using Op = RandAugmentOp;
  EXPECT_EQ(level(Op::kPosterize, 9, false), with([](Image& i) { posterize(i, 1); }));   // 4 - int(3.6)
  EXPECT_EQ(level(Op::kPosterize, 2, false), with([](Image& i) { posterize(i, 4); }));   // 4 - int(0.8)
  EXPECT_EQ(level(Op::kPosterize, 10, false), with([](Image& i) { posterize(i, 1); }));  // not 0
  EXPECT_EQ(level(Op::kSolarize, 9, true), with([](Image& i) { solarize(i, 26); }));     // 256 - int(230.4)
  EXPECT_EQ(level(Op::kSolarizeAdd, 9, true), with([](Image& i) { solarize_add(i, 99); }));
  EXPECT_EQ(level(Op::kColor, 9, false), with([](Image& i) { adjust_color(i, 1 + 0.81); }));
  EXPECT_EQ(level(Op::kContrast, 9, true), with([](Image& i) { adjust_contrast(i, 1 - 0.81); }));
  EXPECT_EQ(level(Op::kBrightness, 10, true), with([](Image& i) { adjust_brightness(i, 0.1); }));
  EXPECT_EQ(level(Op::kSharpness, 5, false), with([](Image& i) { adjust_sharpness(i, 1.45); }));
  EXPECT_EQ(level(Op::kRotate, 10, true), rotate(image, -30, sampling).pixels);
  EXPECT_EQ(level(Op::kShearX, 10, false), affine(image, {1, 0.3, 0, 0, 1, 0}, sampling).pixels);
  EXPECT_EQ(level(Op::kShearY, 10, true), affine(image, {1, 0, 0, -0.3, 1, 0}, sampling).pixels);
  EXPECT_EQ(level(Op::kTranslateX, 10, false), affine(image, {1, 0, 18, 0, 1, 0}, sampling).pixels);
  EXPECT_EQ(level(Op::kTranslateY, 10, true), affine(image, {1, 0, 0, 0, 1, -13.5}, sampling).pixels);
  for (const auto op : {Op::kRotate, Op::kShearX, Op::kShearY, Op::kTranslateX, Op::kTranslateY, Op::kColor,
                        Op::kContrast, Op::kBrightness, Op::kSharpness, Op::kSolarize, Op::kSolarizeAdd}) {
    EXPECT_EQ(level(op, 0, false), image.pixels) << static_cast<int>(op);  // level 0 changes nothing
  }
}

}  // namespace
}  // namespace vitrim::data
