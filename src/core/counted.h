#pragma once
// Numbers of things in sentences.

#include <cstdint>
#include <string>

namespace vitrim {

/// "1 thread", "2 threads": the noun, with an s unless there is one.
inline std::string counted(int64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace vitrim
