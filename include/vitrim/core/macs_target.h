#pragma once
// How far to go, as a person says it: "70%", "2.1G".

#include <cstdint>
#include <string>

namespace vitrim {

/// "70%" of `dense`, or "2.1G", "350M", "900K" or a plain number of multiply-adds. Throws std::invalid_argument on anything else, on nothing, and on more
/// than `dense`.
int64_t parse_macs(const std::string& text, int64_t dense);
/// "0.906 G", "45.813 M".
std::string giga(int64_t macs);

}  // namespace vitrim
