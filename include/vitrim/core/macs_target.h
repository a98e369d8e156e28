#pragma once
// How far to go, as a person says it: "70%", "2.1G".

#include <cstdint>
#include <string>

namespace vitrim {

/// A number and what follows it: "2.1G" is {2.1, "G"}, "12 ms" {12, "ms"}. What begins with no number is all
/// unit, its value 0.
struct Amount {
  double value = 0;
  std::string unit;
};
Amount parse_amount(const std::string& text);

/// "70%" of `dense`, or "2.1G", "350M", "900K" or a plain number of multiply-adds. Throws
/// std::invalid_argument on anything else, on nothing, and on more than `dense`.
int64_t parse_macs(const std::string& text, int64_t dense);
/// The same of another count than "MACs", such as "parameters".
int64_t parse_count(const std::string& text, int64_t dense, const std::string& what);
/// "0.906 G", "45.813 M".
std::string giga(int64_t macs);

}  // namespace vitrim
