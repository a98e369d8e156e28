#include "ranks.h"

#include "vitrim/core/log.h"
#include "vitrim/core/manifest.h"
#include "vitrim/distributed/agree.h"

namespace vitrim::app {

std::shared_ptr<distributed::Group> join_ranks(const Context& context, const distributed::Options& options) {
  auto group = distributed::start(options);
  distributed::check_alike(*group, "version " + version() + "\n" + context.options);
  if (!group->is_main()) set_log_sink(nullptr);
  return group;
}

void on_main_rank(distributed::Group& group, const std::function<void()>& work) {
  if (group.is_main()) work();
  group.barrier();
}

}  // namespace vitrim::app
