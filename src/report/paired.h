#pragma once

#include <cstdint>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::report {

/// Compares two models' correct predictions on the same images, in the same order: difference second - first,
/// percentile interval of a paired bootstrap (2000 resamples of whole images, fixed seed), and the exact
/// two-sided McNemar test. Throws std::invalid_argument if the lengths differ.
PairedResult compare_paired(const std::vector<uint8_t>& first, const std::vector<uint8_t>& second);

}  // namespace vitrim::report
