#pragma once
// Words in which people say what a checkpoint does not.

#include <string>

#include "vitrim/architecture/infer.h"

namespace vitrim::architecture {

/// "token" or "average"; std::invalid_argument on anything else.
Pooling parse_pooling(const std::string& name);

/// Warns of what `hints` say about the model of `source` although it is said already, by `whom` ("its own
/// metadata says", "its name says"), and so not used.
void warn_of_idle_hints(const std::string& source, const std::string& whom, const LoadHints& hints);

}  // namespace vitrim::architecture
