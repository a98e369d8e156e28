#include "vitrim/model/after_fork.h"

#include <ATen/Parallel.h>
#include <pthread.h>

namespace vitrim::model {

namespace {

// Set for the only thread of a newly forked process. Other threads start OpenMP again.
thread_local bool forked = false;

// Registered when the program starts, because a later registration may come after the fork.
[[maybe_unused]] const int kRegistered = pthread_atfork(nullptr, nullptr, [] { forked = true; });

}  // namespace

void settle_after_fork() {
  if (!forked) return;
  at::set_num_threads(1);
  forked = false;
}

}  // namespace vitrim::model
