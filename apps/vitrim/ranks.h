#pragma once
// A command that several processes run together, started by torchrun or srun: vitrim/distributed/group.h.

#include <functional>
#include <memory>

#include "command.h"
#include "vitrim/distributed/group.h"

namespace vitrim::app {

/// Joins the other ranks, if this process is one of several. From then on all ranks except rank 0 are silent:
/// they show no progress and no messages. Throws Error if the ranks were started with different options
/// (context.options). Call it after CommonFlags::apply().
std::shared_ptr<distributed::Group> join_ranks(const Context& context,
                                               const distributed::Options& options = {});

/// Runs `work`, which writes and prints, on rank 0 only. All ranks return when it is done; if it fails, all
/// of them fail.
void on_main_rank(distributed::Group& group, const std::function<void()>& work);

}  // namespace vitrim::app
