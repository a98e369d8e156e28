#pragma once
// The sizes of sets, for the names of the stages of a search.

#include <string>
#include <vector>

#include "vitrim/select/set_scorer.h"

namespace vitrim::select {

/// "sets of 1 static layer" or "sets of 2 to 3 static layers", for the `kind` "static "; "the dense model"
/// for the empty set alone.
std::string set_sizes(const std::vector<LayerSet>& sets, const std::string& kind = "");

}  // namespace vitrim::select
