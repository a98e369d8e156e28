#pragma once
// Hints of the user about properties that a checkpoint does not state.

#include <string>

#include "vitrim/architecture/infer.h"

namespace vitrim::architecture {

/// Parses "token" or "average"; throws std::invalid_argument on anything else.
Pooling parse_pooling(const std::string& name);

/// Warns about every hint that is not used because the model of `source` already states the value. `whom`
/// names the origin of that value ("its own metadata says", "its name says").
void warn_of_idle_hints(const std::string& source, const std::string& whom, const LoadHints& hints);

}  // namespace vitrim::architecture
