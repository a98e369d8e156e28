// The real data of the shared folder (shared/data/README.md), if it exists.

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "data/data_fixtures.h"
#include "shared_data.h"
#include "vitrim/data/loader.h"

namespace vitrim::data {
namespace {

using namespace test;
using vitrim::test::shared_folder;

std::unique_ptr<Dataset> open_shared(const std::string& name) {
  return open_dataset((shared_folder() / "data" / name).string(),
                      {(shared_folder() / "data/imagenet_synsets.txt").string()});
}

TEST(RealImages, CalibrationSet) {
  VITRIM_NEEDS_SHARED("data/imagenet_calib1000");
  const auto set = open_shared("imagenet_calib1000");
  EXPECT_EQ(set->size(), 1000);
  EXPECT_EQ(set->num_classes(), 1000);
  for (int64_t i = 0; i < set->size(); ++i)
    ASSERT_EQ(set->label(i), i) << "one image a class, in the synsets' order";
  LoadOptions options;
  options.preprocess.resize = 248;
  options.indices = spread_indices(1000, 25);
  const ImageBatch batch = load_images(*set, options);
  EXPECT_EQ(batch.pixels.sizes(), (at::IntArrayRef{25, 3, 224, 224}));
  // Pillow 13 makes the same pixels of all 1000: convert("RGB"), resize(BICUBIC), crop.
  EXPECT_EQ(hash(batch.pixels.const_data_ptr(), batch.pixels.numel()),
            "9bd064164b1d81bcf3717dafabd6e77710c4e6b90329851259da6e623e2630f9");
}

// Five of the golden images are in val700. They were cut at floor(3 / 2), where torchvision's rounding
// gives 2.
TEST(RealImages, GoldenPixels) {
  VITRIM_NEEDS_SHARED("data/imagenet_val700");
  VITRIM_NEEDS_SHARED("golden/vit_tiny_imagenet.safetensors");
  const std::string file =
      read_text_file((shared_folder() / "golden/vit_tiny_imagenet.safetensors").string());
  uint64_t header_size = 0;
  std::memcpy(&header_size, file.data(), 8);
  const std::string header = file.substr(8, header_size);
  const size_t entry = header.find("\"images_u8\""), offsets = header.find("\"data_offsets\":[", entry);
  ASSERT_NE(offsets, std::string::npos);
  const size_t begin = 8 + header_size + std::strtoull(header.c_str() + offsets + 16, nullptr, 10);
  const auto* golden = reinterpret_cast<const uint8_t*>(file.data()) + begin;
  constexpr int64_t kSide = 224, kPlane = kSide * kSide, kCount = 16;
  std::set<int64_t> found;
  const auto set = open_shared("imagenet_val700");
  EXPECT_EQ(set->size(), 700);
  for (int64_t i = 0; i < set->size(); ++i) {
    const Image image = set->read(i);
    if (image.width != 227 || image.height != 227) continue;
    for (int64_t g = 0; g < kCount; ++g) {
      bool equal = true;
      for (int64_t p = 0; p < 3 * kPlane && equal; ++p) {
        const int64_t c = p / kPlane, y = p % kPlane / kSide + 1, x = p % kSide + 1;
        equal = image.pixels[(y * 227 + x) * 3 + c] == golden[g * 3 * kPlane + p];
      }
      if (equal) found.insert(g);
    }
  }
  EXPECT_EQ(found, (std::set<int64_t>{1, 3, 4, 6, 7, 8, 12, 13, 14}))
      << "golden images found in val700, equal in every pixel";
}

TEST(RealImages, Cifar100) {
  VITRIM_NEEDS_SHARED("data/cifar100/test.bin.xz");
  const TempDir folder;
  const std::string unpack = "xz -dc '" + (shared_folder() / "data/cifar100/test.bin.xz").string() + "' > '" +
                             folder.file("test.bin") + "' 2>/dev/null";
  if (std::system(unpack.c_str()) != 0) GTEST_SKIP() << "SKIPPED: xz is missing (apt-get install xz-utils)";
  const auto set = open_dataset(folder.file("test.bin"));
  EXPECT_EQ(set->size(), 5000);
  EXPECT_EQ(set->num_classes(), 100);
  std::vector<int> counts(100);
  for (int64_t i = 0; i < set->size(); ++i) ++counts[set->label(i)];
  for (const int count : counts) EXPECT_EQ(count, 50);
}

}  // namespace
}  // namespace vitrim::data
