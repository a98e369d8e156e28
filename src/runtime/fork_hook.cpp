#include "runtime/fork_hook.h"

#include <pthread.h>

#include <mutex>
#include <utility>

namespace vitrim::runtime {

// All hooks of the process. The lock is held during fork(), so that the child has a consistent list.
struct ForkHooks {
  std::mutex mutex;
  ForkHook* first = nullptr;

  static ForkHooks& all() {
    static ForkHooks& hooks =
        *[] {  // never destroyed, because engines may be destroyed later than static objects
          pthread_atfork([] { all().mutex.lock(); }, [] { all().mutex.unlock(); },
                         [] {
                           for (ForkHook* hook = all().first; hook; hook = hook->next_) hook->in_child_();
                           all().mutex.unlock();
                         });
          return new ForkHooks;
        }();
    return hooks;
  }
};

ForkHook::ForkHook(std::function<void()> in_child) : in_child_(std::move(in_child)) {
  ForkHooks& hooks = ForkHooks::all();
  const std::lock_guard lock(hooks.mutex);
  next_ = hooks.first;
  if (next_) next_->before_ = this;
  hooks.first = this;
}

ForkHook::~ForkHook() {
  ForkHooks& hooks = ForkHooks::all();
  const std::lock_guard lock(hooks.mutex);
  (before_ ? before_->next_ : hooks.first) = next_;
  if (next_) next_->before_ = before_;
}

}  // namespace vitrim::runtime
