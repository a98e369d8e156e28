#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "data/data_fixtures.h"
#include "vitrim/data/transform.h"

namespace vitrim::data {
namespace {

using namespace test;

Interpolation filter_of(const std::string& name) {
  return name == "bicubic" ? Interpolation::kBicubic : Interpolation::kBilinear;
}

// Hashes of Pillow's own results, so that parity is tested where Pillow is missing too.
TEST(Resize, EqualsPillowsCommittedHashes) {
  std::istringstream expected(fixture_bytes("resize.txt"));
  int64_t width = 0, height = 0, new_width = 0, new_height = 0, count = 0;
  std::string filter, sha;
  for (; expected >> width >> height >> new_width >> new_height >> filter >> sha; ++count) {
    const Image result = resize(pattern(height, width), new_height, new_width, filter_of(filter));
    EXPECT_EQ(result.height, new_height);
    EXPECT_EQ(result.width, new_width);
    EXPECT_EQ(hash(result), sha) << width << " x " << height << " to " << new_width << " x " << new_height
                                 << " " << filter;
  }
  EXPECT_EQ(count, 18);
}

/// A python that imports Pillow; empty if there is none.
std::string python_with_pillow() {
  const char* peers = std::getenv("VITRIM_PEERS_PYTHON");
  for (const std::string& python : {std::string(peers ? peers : "python3"), std::string("python3")}) {
    if (std::system(("'" + python + "' -c 'import PIL.Image' >/dev/null 2>&1").c_str()) == 0) return python;
  }
  return "";
}

// Up to version 12, Pillow's results; from 13 on, the results of its two passes, because it does the vertical
// one first for some sizes and changes nothing else.
TEST(Resize, EqualsPillowNow) {
  const std::string python = python_with_pillow();
  if (python.empty()) {
    GTEST_SKIP() << "SKIPPED: python3 cannot import PIL (pip install Pillow), so only the committed hashes "
                    "were compared";
  }
  const TempDir folder;
  const Image image = pattern(157, 211);
  put(folder.file("in"), std::string(image.pixels.begin(), image.pixels.end()));
  put(folder.file("resize.py"), R"(
import sys
import PIL
from PIL import Image
folder = sys.argv[1]
image = Image.frombytes("RGB", (211, 157), open(folder + "/in", "rb").read())
with open(folder + "/out", "wb") as out, open(folder + "/orders", "w") as orders:
    orders.write(PIL.__version__.split(".")[0] + "\n")
    for size in range(1, 400, 7):
        for kind in (Image.BICUBIC, Image.BILINEAR):
            ours = image.resize((size, 157), kind).resize((size, 401 - size), kind).tobytes()
            other = image.resize((211, 401 - size), kind).resize((size, 401 - size), kind).tobytes()
            now = image.resize((size, 401 - size), kind).tobytes()
            out.write(ours)
            orders.write("ours\n" if now == ours else "other\n" if now == other else "neither\n")
)");
  const std::string script = "'" + python + "' " + folder.file("resize.py") + " " +
                             std::filesystem::path(folder.file("in")).parent_path().string();
  ASSERT_EQ(std::system(script.c_str()), 0);
  const std::string all = read_text_file(folder.file("out"));
  std::istringstream orders(read_text_file(folder.file("orders")));
  int version = 0;
  orders >> version;
  size_t position = 0;
  for (int64_t size = 1; size < 400; size += 7) {
    for (const auto filter : {Interpolation::kBicubic, Interpolation::kBilinear}) {
      const Image mine = resize(image, 401 - size, size, filter);
      ASSERT_LE(position + mine.pixels.size(), all.size());
      EXPECT_TRUE(std::equal(mine.pixels.begin(), mine.pixels.end(),
                             reinterpret_cast<const uint8_t*>(all.data()) + position))
          << "width " << size;
      position += mine.pixels.size();
      std::string order;
      orders >> order;
      EXPECT_TRUE(order == "ours" || (order == "other" && version >= 13))
          << "Pillow " << version << " agrees with " << order << " at width " << size;
    }
  }
  EXPECT_EQ(position, all.size());
}

TEST(Resize, ConstantStaysConstant) {
  const Image grey{9, 7, std::vector<uint8_t>(9 * 7 * 3, 201)};
  for (const int64_t side : {1, 2, 5, 9, 40}) {
    for (const uint8_t value : resize(grey, side, side, Interpolation::kBicubic).pixels)
      ASSERT_EQ(value, 201);
  }
}

TEST(Resize, NeedsPixels) {
  EXPECT_TRUE(contains(
      message_of<std::invalid_argument>([] { resize(pattern(2, 3), 0, 4, Interpolation::kBicubic); }),
      "3 x 2 to 4 x 0"));
  EXPECT_THROW(resize(Image{}, 1, 1, Interpolation::kBicubic), std::invalid_argument);
  EXPECT_THROW(resize_short_side(Image{}, 1, Interpolation::kBicubic), std::invalid_argument);
  EXPECT_THROW(resize_short_side(pattern(2, 2), 0, Interpolation::kBicubic), std::invalid_argument);
}

TEST(ResizeShortSide, TruncatesTheLongSide) {
  using Size = std::pair<int64_t, int64_t>;
  const auto size = [](int64_t height, int64_t width, int64_t side) {
    const Image image = resize_short_side(pattern(height, width), side, Interpolation::kBilinear);
    return Size(image.height, image.width);
  };
  EXPECT_EQ(size(37, 50, 24), Size(24, 32));  // 24 * 50 / 37 = 32.4
  EXPECT_EQ(size(50, 37, 24), Size(32, 24));
  EXPECT_EQ(size(30, 59, 20), Size(20, 39));  // 39.3
  EXPECT_EQ(size(20, 20, 31), Size(31, 31));
}

}  // namespace
}  // namespace vitrim::data
