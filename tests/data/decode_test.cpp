#include <gtest/gtest.h>

#include <sstream>

#include "data/data_fixtures.h"
#include "vitrim/core/error.h"

namespace vitrim::data {
namespace {

using namespace test;

TEST(Decode, EveryKindEqualsPillow) {
  std::istringstream expected(fixture_bytes("expected.txt"));
  std::string name, sha;
  int64_t width = 0, height = 0, count = 0;
  for (; expected >> name >> width >> height >> sha; ++count) {
    const Image image = decode(fixture_bytes(name), name);
    EXPECT_EQ(image.width, width) << name;
    EXPECT_EQ(image.height, height) << name;
    EXPECT_EQ(hash(image), sha) << name;
  }
  EXPECT_EQ(count, 22);
}

TEST(Decode, SaysWhichFileIsNoImage) {
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode("", "a.jpg"); }), "a.jpg: empty file"));
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode("no image..", "b.png"); }),
                       "b.png: byte 0: neither a JPEG nor a PNG nor a WebP"));
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode("RIFF....WEBP", "e.webp"); }),
                       "e.webp: header: corrupt WebP"));
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode("\xFF\xD8\xFF", "c.jpg"); }),
                       "c.jpg: header: corrupt JPEG"));
  EXPECT_TRUE(contains(message_of<FormatError>([] { decode("\x89PNG\r\n\x1a\n", "d.png"); }),
                       "d.png: header: corrupt PNG"));
}

// Wherever a file is truncated, pixels or its end are missing; nothing may be invented for them.
class Truncated : public testing::TestWithParam<const char*> {};

TEST_P(Truncated, IsAnErrorAtEveryLength) {
  const std::string whole = fixture_bytes(GetParam());
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(decode(whole.substr(0, size)), FormatError) << size << " of " << whole.size() << " bytes";
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "libjpeg and libpng must not print";
}

INSTANTIATE_TEST_SUITE_P(Files, Truncated,
                         testing::Values("rgb420.jpg", "progressive.jpg", "optimized.jpeg", "grey.jpg",
                                         "cmyk.jpg", "rgb.png", "palette4.png", "interlaced.png", "rgb16.png",
                                         "grey4.png", "lossy.webp", "lossless.webp"));

// Damage is either detected (FormatError) or changes values that no decoder can check; decoding never
// crashes, hangs or prints.
TEST(Decode, SurvivesFlippedBytes) {
  for (const char* name : {"rgb420.jpg", "progressive.jpg", "cmyk.jpg", "palette4.png", "interlaced.png"}) {
    const std::string whole = fixture_bytes(name);
    int64_t errors = 0;
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x5A);
      try {
        decode(damaged);
      } catch (const FormatError&) {
        ++errors;
      }
    }
    EXPECT_GT(errors, 20) << name;
    if (std::string(name).ends_with("png")) {
      EXPECT_GT(errors, static_cast<int64_t>(whole.size()) * 9 / 10) << "every PNG chunk has a checksum";
    }
  }
}

TEST(Decode, JpegWithLostBlocksIsCorrupt) {
  std::string damaged = fixture_bytes("rgb444.jpg");
  damaged.erase(damaged.size() - 200, 100);  // the end marker comes too early
  EXPECT_TRUE(contains(message_of<FormatError>([&] { decode(damaged, "x.jpg"); }), "x.jpg: "));
}

TEST(Decode, HeaderThatAsksForTooMuchIsRefusedBeforeMemoryIsSpent) {
  std::string huge = fixture_bytes("rgb420.jpg");
  const size_t frame = huge.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  for (int i = 0; i < 4; ++i) huge[frame + 5 + i] = '\xFD';
  EXPECT_TRUE(contains(message_of<FormatError>([&] { decode(huge, "huge.jpg"); }),
                       "huge.jpg: header: image of 65021 x 65021"));
}

}  // namespace
}  // namespace vitrim::data
