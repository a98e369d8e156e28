#include "vitrim/model/after_fork.h"

#include <ATen/Parallel.h>
#include <pthread.h>

namespace vitrim::model {

namespace {

// Of the one thread that a forked process begins with. Other threads start OpenMP's anew.
thread_local bool forked = false;

// When the program starts: later may be behind the fork.
[[maybe_unused]] const int kRegistered = pthread_atfork(nullptr, nullptr, [] { forked = true; });

}  // namespace

void settle_after_fork() {
  if (!forked) return;
  at::set_num_threads(1);
  forked = false;
}

}  // namespace vitrim::model
