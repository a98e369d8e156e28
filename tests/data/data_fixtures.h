#pragma once
// Images and files that the data tests share.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/expect_throw.h"
#include "core/temp_dir.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/manifest.h"
#include "vitrim/data/dataset.h"

namespace vitrim::data::test {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(VITRIM_SOURCE_DIR) / "tests/data/fixtures" / name;
}

inline std::string fixture_bytes(const std::string& name) { return read_text_file(fixture(name).string()); }

/// Writes a file and the folders above it.
inline void put(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

inline Image decode(const std::string& bytes, const std::string& name = "test image") {
  return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), name);
}

inline std::string hash(const void* data, size_t bytes) {
  return sha256_hex(std::string_view(static_cast<const char*>(data), bytes));
}

inline std::string hash(const Image& image) { return hash(image.pixels.data(), image.pixels.size()); }

/// The pattern of make_fixtures.py: every value occurs, and neighbouring values differ widely.
inline Image pattern(int64_t height, int64_t width) {
  Image image{height, width, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        image.pixels.push_back(static_cast<uint8_t>((x * 37 + y * 101 + c * 59) ^ (x * y)));
      }
    }
  }
  return image;
}

}  // namespace vitrim::data::test
