#pragma once
// The JSON header of a safetensors file, checked while it is read.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vitrim/core/dtype.h"

namespace vitrim::checkpoint {

/// The format's limit for the length of the header.
inline constexpr uint64_t kLongestHeader = 100'000'000;
inline constexpr const char* kMetadataName = "__metadata__";

struct TensorRecord {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< offsets in bytes from the end of the header
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorRecord> tensors;  ///< in the header's order
};

/// Parses the text of the header. Throws FormatError if it is not JSON or not a valid header: duplicate names
/// or keys, unknown keys or dtypes, sizes and offsets that are not integers, metadata that is not text.
/// Offsets are not compared with shapes here.
SafetensorsHeader parse_header(std::string_view text, const std::string& file);

}  // namespace vitrim::checkpoint
