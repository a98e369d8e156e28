#include "vitrim/core/macs_target.h"

#include <cmath>
#include <cstdio>
#include <map>
#include <stdexcept>

namespace vitrim {

std::string giga(int64_t macs) {
  char text[32];
  const bool small = macs < 100'000'000;
  std::snprintf(text, sizeof text, small ? "%.3f M" : "%.3f G", static_cast<double>(macs) * (small ? 1e-6 : 1e-9));
  return text;
}

int64_t parse_macs(const std::string& text, int64_t dense) {
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  const std::map<std::string, double> units = {{"%", static_cast<double>(dense) / 100}, {"", 1}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};
  if (used == 0 || !units.contains(unit) || !(value > 0)) {
    throw std::invalid_argument("'" + text + "' is no number of MACs; say 70% or 2.1G");
  }
  const double macs = value * units.at(unit);
  if (unit.empty() && value <= 100) throw std::invalid_argument(text + " multiply-adds are next to none; did you mean " + text + "%?");
  if (!(std::round(macs) <= static_cast<double>(dense))) {
    throw std::invalid_argument(text + " is more than the model has (" + giga(dense) + "); this can only take away");
  }
  return std::llround(macs);
}

}  // namespace vitrim
