#include "train/save_on_stop.h"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "vitrim/core/interrupt.h"
#include "vitrim/core/log.h"

namespace vitrim::train {

namespace {

constexpr std::chrono::milliseconds kPatience{20};

}  // namespace

SaveOnStop::SaveOnStop(std::function<void()> save)
    : held_(state_), thread_([this, save = std::move(save)] { watch(save); }) {}

SaveOnStop::~SaveOnStop() { finish(); }

void SaveOnStop::may_save(const std::function<void()>& work) {
  held_.unlock();
  try {
    work();
  } catch (...) {
    held_.lock();
    throw;
  }
  held_.lock();
}

void SaveOnStop::finish() {
  if (!thread_.joinable()) return;
  finished_ = true;
  if (held_) held_.unlock();
  thread_.join();
}

void SaveOnStop::watch(const std::function<void()>& save) {
  while (!finished_) {
    std::this_thread::sleep_for(kPatience);
    if (!cancel_requested()) continue;
    const std::lock_guard lock(state_);
    if (finished_) return;
    try {
      save();
    } catch (const std::exception& error) {
      log_warning(std::string("the training state could not be saved: ") + error.what());
    }
    return;
  }
}

}  // namespace vitrim::train
