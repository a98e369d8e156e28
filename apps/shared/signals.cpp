#include "signals.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <string>
#include <thread>

#include "program.h"
#include "vitrim/core/atomic_file.h"
#include "vitrim/core/interrupt.h"
#include "vitrim/core/log.h"

namespace vitrim::app {

namespace {

constexpr int kStatus = 130;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

std::atomic<bool>& is_said() {
  static std::atomic<bool> said{false};
  return said;
}

void watch(const sigset_t set) {
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  request_cancel();
  constexpr auto kWhole = static_cast<time_t>(kGraceSeconds);
  const timespec grace{kWhole, static_cast<long>((kGraceSeconds - kWhole) * 1e9)};
  sigtimedwait(&set, nullptr, &grace);
  // Nothing may run any more, not even destructors, because threads are in the middle of their work.
  abandon_outputs();
  _exit(say_stopped());
}

}  // namespace

void watch_signals() {
  // Every later thread inherits the mask, so only the watching thread receives these signals, and system
  // calls of other threads are not interrupted.
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread(watch, set).detach();
}

int say_stopped() {
  // Not through a stream, because a thread that hangs may hold its lock.
  const std::string text = program_name() + ": stopped\n";
  if (!is_said().exchange(true)) (void)!::write(STDERR_FILENO, text.data(), text.size());
  return kStatus;
}

void leave_saying_to_child(bool yes) { is_said() = yes; }

}  // namespace vitrim::app
