#pragma once
// Parses targets as a user types them: "70%", "2.1G".

#include <cstdint>
#include <string>

namespace vitrim {

/// A number and its unit: "2.1G" is {2.1, "G"}, "12 ms" is {12, "ms"}. If the text does not begin with a
/// number, all of it is the unit, and the value is 0.
struct Amount {
  double value = 0;
  std::string unit;
};
Amount parse_amount(const std::string& text);

/// Parses "70%" of `dense`, or "2.1G", "350M", "900K" or a plain number of multiply-adds. Throws
/// std::invalid_argument on anything else, on plain numbers of at most 100 (a forgotten "%"), and on more
/// than `dense`.
int64_t parse_macs(const std::string& text, int64_t dense);
/// The same for another quantity than "MACs"; `what` names it in messages ("parameters").
int64_t parse_count(const std::string& text, int64_t dense, const std::string& what);
/// "0.906 G", "45.813 M".
std::string giga(int64_t macs);

}  // namespace vitrim
