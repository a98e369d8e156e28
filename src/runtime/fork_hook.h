#pragma once
// Repairs state in a forked process: of all threads, only the one that called fork() continues in it.

#include <functional>

namespace vitrim::runtime {

/// Calls `in_child` in every process that is forked while the hook exists, before fork() returns there. It
/// runs alone, at an arbitrary point of the other threads' work, so it must neither allocate nor lock.
class ForkHook {
 public:
  explicit ForkHook(std::function<void()> in_child);
  ~ForkHook();
  ForkHook(const ForkHook&) = delete;
  ForkHook& operator=(const ForkHook&) = delete;

 private:
  friend struct ForkHooks;
  std::function<void()> in_child_;
  ForkHook *before_ = nullptr, *next_ = nullptr;
};

}  // namespace vitrim::runtime
