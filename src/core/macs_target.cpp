#include "vitrim/core/macs_target.h"

#include <cmath>
#include <cstdio>
#include <map>
#include <stdexcept>

namespace vitrim {

std::string giga(int64_t macs) {
  char text[32];
  const bool small = macs < 100'000'000;
  std::snprintf(text, sizeof text, small ? "%.3f M" : "%.3f G",
                static_cast<double>(macs) * (small ? 1e-6 : 1e-9));
  return text;
}

int64_t parse_count(const std::string& text, int64_t dense, const std::string& what) {
  const Amount amount = parse_amount(text);
  const std::map<std::string, double> units = {{"%", static_cast<double>(dense) / 100},
                                               {"", 1},
                                               {"K", 1e3},
                                               {"k", 1e3},
                                               {"M", 1e6},
                                               {"G", 1e9},
                                               {"T", 1e12}};
  if (!units.contains(amount.unit) || !(amount.value > 0)) {
    throw std::invalid_argument("'" + text + "' is not a number of " + what + "; write 70% or " +
                                (what == "MACs" ? "2.1G" : "5.1M"));
  }
  const double count = amount.value * units.at(amount.unit);
  const std::string long_name = what == "MACs" ? "multiply-adds" : what;
  if (amount.unit.empty() && amount.value <= 100)
    throw std::invalid_argument(text + " " + long_name + " are almost none; did you mean " + text + "%?");
  if (!(std::round(count) <= static_cast<double>(dense))) {
    throw std::invalid_argument(text + " is more than the model has (" + giga(dense) +
                                "); state a smaller target");
  }
  return std::llround(count);
}

int64_t parse_macs(const std::string& text, int64_t dense) { return parse_count(text, dense, "MACs"); }

Amount parse_amount(const std::string& text) {
  Amount out;
  size_t used = 0;
  try {
    out.value = std::stod(text, &used);
  } catch (const std::exception&) {
    return {0, text};
  }
  const size_t unit = text.find_first_not_of(' ', used);
  out.unit = unit == std::string::npos ? "" : text.substr(unit);
  return out;
}

}  // namespace vitrim
