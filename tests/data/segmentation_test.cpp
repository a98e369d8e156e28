// Images with masks: ADE20K's layout, the synthetic set's masks, and joint augmentation of both.

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "data/data_fixtures.h"
#include "shared_data.h"
#include "vitrim/core/error.h"
#include "vitrim/data/augment_segmented.h"
#include "vitrim/data/encode.h"
#include "vitrim/data/loader.h"
#include "vitrim/data/synthetic.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

using test::fixture_bytes;
using test::put;

Mask decode_fixture_mask(const std::string& name) {
  const std::string bytes = fixture_bytes(name);
  return decode_mask(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), name);
}

TEST(DecodeMask, KeepsTheValuesAsTheyAreStored) {
  // A grey file's RGB pixels are its values; a palette's are indices into it, which RGB hides.
  const Mask grey = decode_fixture_mask("grey.png");
  const Image as_rgb = test::decode(fixture_bytes("grey.png"));
  ASSERT_EQ(grey.classes.size() * 3, as_rgb.pixels.size());
  for (size_t i = 0; i < grey.classes.size(); ++i) ASSERT_EQ(grey.classes[i], as_rgb.pixels[3 * i]) << i;
  for (const char* name : {"palette8.png", "palette4.png"}) {
    const Mask indices = decode_fixture_mask(name);
    const Image colours = test::decode(fixture_bytes(name));
    // Every index has one colour, and there are as many of one as of the other at most.
    std::map<uint8_t, std::array<uint8_t, 3>> palette;
    for (size_t i = 0; i < indices.classes.size(); ++i) {
      const std::array<uint8_t, 3> colour{colours.pixels[3 * i], colours.pixels[3 * i + 1],
                                          colours.pixels[3 * i + 2]};
      const auto [at, fresh] = palette.emplace(indices.classes[i], colour);
      ASSERT_EQ(at->second, colour) << name << " " << i;
    }
    EXPECT_GT(palette.size(), 1u) << name;
  }
  // Four bits a value are not scaled to eight.
  const Mask four = decode_fixture_mask("grey4.png");
  EXPECT_LE(*std::max_element(four.classes.begin(), four.classes.end()), 15);
}

TEST(DecodeMask, RefusesOtherFormats) {
  for (const char* name : {"rgb.png", "alpha.png", "grey16.png", "grey_alpha.png"}) {
    EXPECT_TRUE(contains(message_of<FormatError>([&] { decode_fixture_mask(name); }), "one channel")) << name;
  }
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode_fixture_mask("rgb444.jpg"); }), "not a PNG"));
  std::string cut = fixture_bytes("grey.png");
  cut.resize(cut.size() / 2);
  EXPECT_TRUE(contains(message_of<FormatError>([&] {
                         decode_mask(reinterpret_cast<const uint8_t*>(cut.data()), cut.size(), "cut.png");
                       }),
                       "cut.png"));
}

// A grey PNG of 2 x 1 pixels, 1 and 2.
constexpr char kTwoPixels[] =
    "\x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00\x00\x01\x08\x00"
    "\x00\x00\x00\xd1\x49\x20\x56\x00\x00"
    "\x00\x0b\x49\x44\x41\x54\x78\x9c\x63\x60\x64\x02\x00\x00\x07\x00\x04\x76\x49\xe3\x28\x00\x00\x00\x00\x49"
    "\x45\x4e\x44\xae\x42\x60\x82";

// A folder of images and masks, made of fixtures of one size.
struct Folder {
  TempDir folder;
  std::string path(const std::string& name = "") const { return folder.file(name); }
  void pair(const std::string& split, const std::string& stem) const {
    put(path("images/" + split + stem + ".png"), fixture_bytes("rgb.png"));
    put(path("annotations/" + split + stem + ".png"), fixture_bytes("grey4.png"));
  }
};

TEST(Ade20k, PairsImagesAndMasks) {
  const Folder set;
  set.pair("", "b");
  set.pair("", "a");
  put(set.path("images/.hidden.png"), "x");
  const auto dataset = open_dataset(set.path());
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_TRUE(dataset->has_masks());
  EXPECT_EQ(dataset->label(0), -1);
  EXPECT_EQ(dataset->num_classes(), 150);
  EXPECT_TRUE(dataset->class_names().empty());
  EXPECT_TRUE(dataset->name(0).ends_with("images/a.png"));
  const SegmentedImage pair = read_segmented(*dataset, 0);
  const Mask stored = decode_fixture_mask("grey4.png");
  for (size_t i = 0; i < stored.classes.size(); ++i) {
    ASSERT_EQ(pair.mask.classes[i], stored.classes[i] == 0 ? kIgnoredClass : stored.classes[i] - 1) << i;
  }
  // Names and sizes of both files make the fingerprint.
  const std::string before = dataset->fingerprint();
  put(set.path("annotations/a.png"), fixture_bytes("grey.png"));
  EXPECT_NE(open_dataset(set.path())->fingerprint(), before);
}

TEST(Ade20k, PartsAndNames) {
  const Folder set;
  set.pair("training/", "a");
  set.pair("validation/", "b");
  put(set.path("objectInfo150.txt"),
      "Idx\tRatio\tTrain\tVal\tName\n1\t0.5\t1\t1\twall\n2\t0.5\t1\t1\tbuilding, "
      "edifice\n3\t0.1\t1\t1\tsky\n");
  const auto dataset = open_dataset(set.path() + ":training");
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_EQ(dataset->class_names(), (std::vector<std::string>{"wall", "building, edifice", "sky"}));
  EXPECT_EQ(dataset->num_classes(), 3);
  EXPECT_TRUE(contains(message_of<Error>([&] { open_dataset(set.path()); }), ":training or "));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { open_dataset(set.path() + ":trainin"); }), "did you mean training"));
  // A mask of a class beyond the names is named, with its value.
  const std::string problem = message_of<FormatError>([&] { read_segmented(*dataset, 0); });
  EXPECT_TRUE(contains(problem, "annotations/training/a.png"));
  EXPECT_TRUE(contains(problem, "holds class"));
  put(set.path("names"), "one\ntwo words\n");
  EXPECT_EQ(open_dataset(set.path() + ":training", {set.path("names")})->class_names(),
            (std::vector<std::string>{"one", "two words"}));
}

TEST(Ade20k, NamesWhatIsMissingOrDoesNotFit) {
  const Folder set;
  for (const char* stem : {"a", "b", "c"}) set.pair("", stem);
  std::filesystem::remove(set.path("annotations/a.png"));
  std::filesystem::remove(set.path("annotations/c.png"));
  const std::string missing = message_of<Error>([&] { open_dataset(set.path()); });
  EXPECT_TRUE(contains(missing, "2 images"));
  EXPECT_TRUE(contains(missing, "a.png, c.png"));
  set.pair("", "a");
  set.pair("", "c");
  put(set.path("annotations/b.png"), std::string(kTwoPixels, sizeof kTwoPixels - 1));
  const auto dataset = open_dataset(set.path());
  EXPECT_EQ(dataset->read_mask(1).classes, (std::vector<uint8_t>{0, 1}));
  const std::string sizes = message_of<FormatError>([&] { read_segmented(*dataset, 1); });
  EXPECT_TRUE(contains(sizes, "b.png"));
  EXPECT_TRUE(contains(sizes, "37 x 29 pixels, its mask 2 x 1"));
  put(set.path("images/b.jpg"), fixture_bytes("rgb444.jpg"));
  EXPECT_TRUE(contains(message_of<Error>([&] { open_dataset(set.path()); }), "the same name"));
}

TEST(Ade20k, TheRealSamplesLoad) {
  VITRIM_NEEDS_SHARED("data/ade20k_samples");
  const auto dataset = open_dataset((vitrim::test::shared_folder() / "data/ade20k_samples").string());
  ASSERT_EQ(dataset->size(), 4);
  ASSERT_EQ(dataset->class_names().size(), 150u);
  EXPECT_EQ(dataset->class_names()[0], "wall");
  EXPECT_EQ(dataset->class_names()[2], "sky");
  for (int64_t i = 0; i < 4; ++i) {
    const SegmentedImage pair = read_segmented(*dataset, i);
    const std::set<uint8_t> classes(pair.mask.classes.begin(), pair.mask.classes.end());
    EXPECT_GE(classes.size(), 5u) << dataset->name(i);
    for (const uint8_t c : classes) EXPECT_TRUE(c < 150 || c == kIgnoredClass) << static_cast<int>(c);
    // The stored values, one lower.
    const std::string file = (vitrim::test::shared_folder() / "data/ade20k_samples/annotations" /
                              (std::filesystem::path(dataset->name(i)).stem().string() + ".png"))
                                 .string();
    const std::string bytes = read_text_file(file);
    const Mask stored = decode_mask(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), file);
    for (size_t p = 0; p < stored.classes.size(); ++p) {
      ASSERT_EQ(static_cast<uint8_t>(stored.classes[p] - 1),
                pair.mask.classes[p]);  // 0 - 1 is 255, what is ignored
    }
  }
}

TEST(ResizeMask, TakesTheNearestPixel) {
  const Mask mask{2, 3, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(resize_mask(mask, 4, 6).classes,
            (std::vector<uint8_t>{1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 4, 4, 5, 5, 6, 6}));
  EXPECT_EQ(resize_mask(mask, 1, 1).classes,
            (std::vector<uint8_t>{5}));  // the middle lies in the second row and column
  EXPECT_EQ(resize_mask(resize_mask(mask, 20, 33), 2, 3).classes, mask.classes);
}

// An image whose red channel encodes its class, so that image and mask can be compared after any crop and
// flip.
SegmentedImage telling(int64_t height, int64_t width) {
  SegmentedImage out{{height, width, {}}, {height, width, {}}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const auto c = static_cast<uint8_t>((x / 16 + 3 * (y / 16)) % 8);
      out.mask.classes.push_back(c);
      out.image.pixels.insert(out.image.pixels.end(), {static_cast<uint8_t>(30 * c), 7, 9});
    }
  }
  return out;
}

PreprocessSpec crop_of(int64_t side) {
  PreprocessSpec preprocess;
  preprocess.crop = side;
  preprocess.interpolation = Interpolation::kBilinear;
  return preprocess;
}

TEST(AugmentSegmented, MovesBothAlike) {
  const SegmentedImage pair = telling(96, 128);
  SegmentAugmentOptions options;
  options.category_max_ratio = 1;
  int64_t compared = 0, agreeing = 0, flipped = 0;
  std::set<int64_t> ignored;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    const SegmentedImage varied = augment_segmented(pair, crop_of(64), options, random);
    ASSERT_EQ(varied.image.height, 64);
    ASSERT_EQ(varied.mask.classes.size(), 64u * 64u);
    int64_t outside = 0;
    for (int64_t i = 0; i < 64 * 64; ++i) {
      if (varied.mask.classes[i] == kIgnoredClass) {
        ++outside;
        for (int64_t c = 0; c < 3; ++c)
          ASSERT_EQ(varied.image.pixels[3 * i + c], 128);  // the mean, half of 255
      } else {
        ++compared;
        agreeing += std::abs(varied.image.pixels[3 * i] - 30 * varied.mask.classes[i]) <= 1;
      }
    }
    ignored.insert(outside);
    Random again(seed);
    const SegmentedImage repeated = augment_segmented(pair, crop_of(64), options, again);
    EXPECT_EQ(repeated.image.pixels, varied.image.pixels);
    EXPECT_EQ(repeated.mask.classes, varied.mask.classes);
    flipped += varied.mask.classes[0] == kIgnoredClass ? 0 : 1;
  }
  // At the borders between classes the image is interpolated: squares of 16 pixels, halved at the least, have
  // 8 x 8 pixels with a rim of 28, of which a part agrees.
  EXPECT_GT(static_cast<double>(agreeing), 0.6 * static_cast<double>(compared));
  EXPECT_GT(ignored.size(), 5u) << "small scales leave room to ignore, by different amounts";
  EXPECT_TRUE(ignored.contains(0)) << "large scales leave none";
  EXPECT_GT(flipped, 20);
}

TEST(AugmentSegmented, WithoutScaleAndFlipIsACrop) {
  const SegmentedImage pair = telling(64, 64);
  SegmentAugmentOptions options;
  options.scale_min = options.scale_max = 1;
  options.horizontal_flip = 0;
  Random random(1);
  const SegmentedImage same = augment_segmented(pair, crop_of(64), options, random);
  EXPECT_EQ(same.image.pixels, pair.image.pixels);
  EXPECT_EQ(same.mask.classes, pair.mask.classes);
  options.horizontal_flip = 1;
  const SegmentedImage mirrored = augment_segmented(pair, crop_of(64), options, random);
  for (int64_t y = 0; y < 64; ++y) {
    for (int64_t x = 0; x < 64; ++x) {
      ASSERT_EQ(mirrored.mask.classes[y * 64 + x], pair.mask.classes[y * 64 + 63 - x]);
      ASSERT_EQ(mirrored.image.pixels[3 * (y * 64 + x)], pair.image.pixels[3 * (y * 64 + 63 - x)]);
    }
  }
}

// Three quarters of the image are one class: crops of half its side that show little else are drawn again,
// about three in four of them each time.
TEST(AugmentSegmented, AvoidsCropsOfOneClass) {
  SegmentedImage pair = telling(128, 128);
  for (int64_t y = 0; y < 128; ++y) {
    for (int64_t x = 0; x < 128; ++x) pair.mask.classes[y * 128 + x] = x < 32 ? 1 : 0;
  }
  PreprocessSpec preprocess = crop_of(64);
  preprocess.resize = 128;
  SegmentAugmentOptions options;
  options.scale_min = options.scale_max = 1;
  const auto crowded = [&](double ratio) {
    options.category_max_ratio = ratio;
    int64_t count = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      Random random(seed);
      const Mask mask = augment_segmented(pair, preprocess, options, random).mask;
      count += std::count(mask.classes.begin(), mask.classes.end(), 0) >= 0.75 * 64 * 64;
    }
    return count;
  };
  const int64_t without = crowded(1), with = crowded(0.75);
  EXPECT_GT(without, 120);
  EXPECT_LT(with, without / 4);
}

TEST(SyntheticMasks, ShowTheSameImages) {
  const auto masks = open_dataset("synthetic-masks:train:50"), labels = open_dataset("synthetic:train:50");
  ASSERT_EQ(masks->size(), 50);
  EXPECT_EQ(masks->num_classes(), kSyntheticMaskClasses);
  EXPECT_EQ(masks->class_names().size(), static_cast<size_t>(kSyntheticMaskClasses));
  EXPECT_NE(masks->fingerprint(), labels->fingerprint());
  for (int64_t i = 0; i < 50; ++i) {
    const SegmentedImage pair = read_segmented(*masks, i);
    ASSERT_EQ(pair.image.pixels, labels->read(i).pixels) << i;
    std::array<int64_t, 256> counts{};
    for (const uint8_t c : pair.mask.classes) ++counts[c];
    // Ground, a ring, and of the ten shapes that of the image's label alone.
    EXPECT_GT(counts[0], 1500);
    EXPECT_GT(counts[kSyntheticMaskClasses - 1], 20) << i;
    for (int64_t shape = 0; shape < kSyntheticClasses; ++shape)
      EXPECT_EQ(counts[1 + shape] > 0, shape == labels->label(i)) << i;
    EXPECT_EQ(counts[kIgnoredClass], 0);
  }
  EXPECT_THROW(masks->read_mask(50), std::out_of_range);
  EXPECT_THROW(labels->read_mask(0), std::logic_error);
  EXPECT_TRUE(
      contains(message_of<Error>([] { open_dataset("synthetic-masks:tran"); }), "synthetic-masks:SPLIT"));
}

// The class of a shape's pixel can't be determined from its patch: the same shape with the same hue is its
// own class or "other shape", depending on the distant ring.
TEST(SyntheticMasks, NeedTheRing) {
  const auto masks = open_dataset("synthetic-masks:train:300");
  int64_t pointed = 0, other = 0;
  for (int64_t i = 0; i < 300; ++i) {
    for (const uint8_t c : masks->read_mask(i).classes) {
      pointed += c >= 1 && c <= kSyntheticClasses;
      other += c == kSyntheticClasses + 1;
    }
  }
  EXPECT_GT(pointed, 300 * 50);
  EXPECT_GT(other, pointed) << "most images show several shapes of other hues";
}

TEST(MaskPictures, HaveAColourAClass) {
  std::set<std::array<uint8_t, 3>> colours;
  for (int64_t c = 0; c < 255; ++c) colours.insert(class_color(c));
  EXPECT_EQ(colours.size(), 255u);
  const std::string url = mask_data_url(mask_tensor({1, 2, {3, kIgnoredClass}}));
  EXPECT_TRUE(url.starts_with("data:image/png;base64,iVBOR"));
}

}  // namespace
}  // namespace vitrim::data
