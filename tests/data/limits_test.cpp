// The resource rule for images, archives and class lists, and the bounds of pixels.

#include <gtest/gtest.h>

#include "data/data_fixtures.h"
#include "data/encoded_images.h"
#include "data/tar_files.h"
#include "resource_limits.h"
#include "vitrim/core/error.h"
#include "vitrim/data/class_list.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

using namespace test;
using vitrim::test::refused_within_limits;
using vitrim::test::taken_within_limits;

constexpr uint32_t kSide = 8192;  // squared: kMaxPixels
static_assert(int64_t{kSide} * kSide == kMaxPixels);

TEST(Limits, TheLargestPngsThatAreReadStayWithinTheRule) {
  // 16-bit RGBA costs most per pixel: 8 bytes are decompressed for each.
  for (const PngKind& kind :
       {PngKind{kSide, kSide, 8, 2, 3}, PngKind{kSide, kSide, 16, 6, 4}, PngKind{67, 1000000, 8, 2, 3}}) {
    const std::string png = black_png(kind);
    ASSERT_LT(png.size(), size_t{1} << 20);
    taken_within_limits([&] { decode(png); });
  }
}

TEST(Limits, LargerPngsAreRefusedBeforeTheyAreUnpacked) {
  const std::string wide = black_png({kSide + 1, kSide, 1, 0, 1});
  EXPECT_TRUE(contains(refused_within_limits([&] { decode(wide, "wide.png"); }),
                       "wide.png: header: image of 8193 x 8192 pixels"));
  const std::string tall = black_png({1, 1 << 24, 1, 0, 1});  // a pointer a row would take 8 bytes for one
  EXPECT_TRUE(contains(refused_within_limits([&] { decode(tall, "tall.png"); }), "tall.png: header"));
  // Texts and profiles that expand to gigabytes are not decompressed.
  const std::string text = png_chunk("zTXt", std::string("a\0\0", 3) + deflated_zeros(size_t{1} << 28));
  taken_within_limits([&] { decode(black_png({5, 4}, text)); });
  const std::string profile = png_chunk("iCCP", std::string("a\0\0", 3) + deflated_zeros(size_t{1} << 28));
  taken_within_limits([&] { decode(black_png({5, 4}, profile)); });
  std::string many;
  for (int i = 0; i < 20000; ++i) many += png_chunk("tEXt", std::string("a\0b", 3));
  taken_within_limits([&] { decode(black_png({5, 4}, many)); });
}

TEST(Limits, MaxPixelsIsTheLimit) {
  const std::string png = black_png({100, 10});
  const auto* bytes = reinterpret_cast<const uint8_t*>(png.data());
  EXPECT_EQ(decode_image(bytes, png.size(), "a.png", 1000).width, 100);
  EXPECT_TRUE(contains(message_of<FormatError>([&] { decode_image(bytes, png.size(), "a.png", 999); }),
                       "at most 999 pixels are read; replace the file, or allow more with --max-pixels"));
  const std::string grey = black_png({100, 10, 8, 0, 1});
  EXPECT_THROW(decode_mask(reinterpret_cast<const uint8_t*>(grey.data()), grey.size(), "m.png", 999),
               FormatError);
  const std::string webp = fixture_bytes("lossy.webp");
  EXPECT_THROW(decode_image(reinterpret_cast<const uint8_t*>(webp.data()), webp.size(), "w", 37 * 29 - 1),
               FormatError);
}

TEST(Limits, JpegsOfThousandsOfScansAreRefused) {
  const std::string jpeg = fixture_bytes("progressive.jpg");
  EXPECT_EQ(hash(decode(with_more_scans(jpeg, 300))), hash(decode(jpeg)));
  const std::string slow = with_more_scans(jpeg, 20000);
  EXPECT_TRUE(contains(refused_within_limits([&] { decode(slow, "slow.jpg"); }),
                       "slow.jpg: header: corrupt JPEG (more than 500 scans)"));
}

TEST(Limits, ProgressiveJpegsThatNeedTooMuchMemoryAreRefused) {
  std::string jpeg = fixture_bytes("progressive.jpg");
  const size_t frame = jpeg.find("\xFF\xC2");
  ASSERT_NE(frame, std::string::npos);
  ASSERT_EQ(jpeg[frame + 9], 3);
  jpeg.replace(frame + 5, 4, std::string("\x20\0\x20\0", 4));  // 8192 x 8192
  jpeg[frame + 11] = '\x11';                                   // all components at full resolution
  EXPECT_TRUE(contains(refused_within_limits([&] { decode(jpeg, "deep.jpg"); }),
                       "deep.jpg: header: a JPEG of several scans (progressive) whose coefficients"));
}

TEST(Limits, ResizingIsBoundedToo) {
  const ResizeLimit limit{kMaxPixels, "long.png"};
  PreprocessSpec spec;
  spec.resize = 256;
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1000000}, {1000000, 1}}) {
    const Image image{height, width, {}};
    EXPECT_TRUE(contains(message_of<FormatError>([&] { limit.check(image, spec); }),
                         "long.png: an image of " + std::to_string(width) + " x " + std::to_string(height)));
  }
  // With squash, only the intermediate image is large: 1000000 rows of 256 pixels.
  spec.squash = true;
  EXPECT_THROW(limit.check(Image{1000000, 1, {}}, spec), FormatError);
  EXPECT_NO_THROW(limit.check(Image{1, 1000000, {}}, spec));
  EXPECT_NO_THROW((ResizeLimit{int64_t{1} << 28, "long.png"}.check(Image{1000000, 1, {}}, spec)));
  spec.resize.reset();
  EXPECT_NO_THROW(limit.check(Image{1000000, 1, {}}, spec));
  spec.resize = 256;
  spec.squash = false;
  EXPECT_NO_THROW(limit.check(Image{400, 4000, {}}, spec));
}

TEST(Limits, ArchivesAndClassListsStayWithinTheRule) {
  const TempDir folder;
  std::string members, headers;
  for (int i = 0; members.size() < (size_t{1} << 20) - 4096; ++i)
    members += tar_member("s.v" + std::to_string(i) + ".png", "");
  for (int i = 0; headers.size() < (size_t{1} << 20) - 4096; ++i)
    headers += tar_member("x", pax_record("path", "p" + std::to_string(i)), 'x');
  put(folder.file("members.tar"), members + kTarEnd);
  put(folder.file("headers.tar"), headers + kTarEnd);
  EXPECT_TRUE(contains(refused_within_limits([&] { open_dataset(folder.file("members.tar")); }),
                       "images with a dot in their names"));
  refused_within_limits([&] { open_dataset(folder.file("headers.tar")); });
  // Combining accents in an order that has to be sorted, in one line and in many.
  std::string accents = "a";
  while (accents.size() < (size_t{1} << 20) - 8) accents += "\xCC\x81\xCC\xA3";
  std::string lines;
  while (lines.size() < (size_t{1} << 20) - 1024)
    lines += accents.substr(0, 1001) + std::to_string(lines.size()) + "\n";
  put(folder.file("set/folder/1.png"), fixture_bytes("rgb.png"));
  for (const std::string& text : {accents, lines, std::string((1 << 20) - 1, '\n') + "a",
                                  std::string(1 << 20, 'a'), "\xFF\xFE" + std::string(1 << 20, 'a')}) {
    put(folder.file("classes.txt"), text);
    refused_within_limits([&] { open_dataset(folder.file("set"), {folder.file("classes.txt")}); });
  }
}

}  // namespace
}  // namespace vitrim::data
