#pragma once
// Checks that all ranks were started with the same options.

#include <string>

#include "vitrim/distributed/group.h"

namespace vitrim::distributed {

/// Compares `lines` (one option per line, in a fixed order) across all ranks. If they differ, throws
/// vitrim::Error on every rank, with the first line that differs. Costs one all_gather().
void check_alike(Group& group, const std::string& lines);

}  // namespace vitrim::distributed
