#pragma once
// What all ranks must have been started with.

#include <string>

#include "vitrim/distributed/group.h"

namespace vitrim::distributed {

/// Compares `lines` (of one option each, in one order) over all ranks. Throws vitrim::Error on every rank
/// where they differ, with the first line that does. Costs one all_gather().
void check_alike(Group& group, const std::string& lines);

}  // namespace vitrim::distributed
