#include "ranks.h"

#include "vitrim/core/log.h"

namespace vitrim::app {

std::shared_ptr<distributed::Group> join_ranks(const distributed::Options& options) {
  auto group = distributed::start(options);
  if (!group->is_main()) set_log_sink(nullptr);
  return group;
}

void on_main_rank(distributed::Group& group, const std::function<void()>& work) {
  if (group.is_main()) work();
  group.barrier();
}

}  // namespace vitrim::app
