#include "vitrim/core/normalization.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace vitrim {

std::string wrong_units(const PreprocessSpec& preprocess) {
  const auto above = [](const std::array<double, 3>& values) {
    return *std::max_element(values.begin(), values.end());
  };
  for (const auto& [name, largest] :
       {std::pair("mean", above(preprocess.mean)), std::pair("standard deviation", above(preprocess.std))}) {
    if (!(largest > 1)) continue;
    char value[32];
    std::snprintf(value, sizeof value, "%g", largest);
    return std::string("a ") + name + " of " + value +
           " is for pixels from 0 to 255, but means and deviations apply to pixels from 0 to 1; divide by "
           "255";
  }
  return {};
}

}  // namespace vitrim
