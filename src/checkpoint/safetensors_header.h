#pragma once
// The JSON header of a safetensors file, checked as it is read.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/core/dtype.h"

namespace vitrim::checkpoint {

/// The format's own limit on the header's length.
inline constexpr uint64_t kLongestHeader = 100'000'000;
inline constexpr const char* kMetadataName = "__metadata__";

struct TensorRecord {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< bytes, counted from the end of the header
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorRecord> tensors;  ///< in the header's order
};

/// Reads the header's text. Throws FormatError for text that is not JSON or not a header: duplicate names or
/// keys, unknown keys or dtypes, sizes and offsets that are no whole numbers, metadata that is not text.
/// Offsets are not compared with shapes here.
SafetensorsHeader parse_header(std::string_view text, const std::string& file);

}  // namespace vitrim::checkpoint
