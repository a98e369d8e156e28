#pragma once
// A command that several processes run together, started by torchrun or srun: vitrim/distributed/group.h.

#include <functional>
#include <memory>

#include "command.h"
#include "vitrim/distributed/group.h"

namespace vitrim::app {

/// Joins the other ranks, if this process is one of several. From here on all but rank 0 are silent: no
/// progress, no messages. Throws Error where they were started with other options (context.options). Call
/// after CommonFlags::apply().
std::shared_ptr<distributed::Group> join_ranks(const Context& context,
                                               const distributed::Options& options = {});

/// Runs `work`, which writes and prints, on rank 0 alone. All ranks return when it is done, and all fail
/// where it fails.
void on_main_rank(distributed::Group& group, const std::function<void()>& work);

}  // namespace vitrim::app
