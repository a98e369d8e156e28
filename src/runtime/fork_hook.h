#pragma once
// What a forked process has to set right: of all threads only the one that called fork() goes on in it.

#include <functional>

namespace vitrim::runtime {

/// Calls `in_child` in every process that is forked while the hook exists, before fork() returns there. It
/// runs alone, in the middle of whatever other threads were doing, so it may neither allocate nor lock.
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
