#include "signals.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
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

// True where another signal came within the grace. The grace may grow meanwhile (work that has something to
// save begins), so it is asked for again and again.
bool wait_for_second(const sigset_t& set) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - begin).count() < grace_seconds()) {
    const timespec moment{0, 50'000'000};
    if (sigtimedwait(&set, nullptr, &moment) > 0) return true;
  }
  return false;
}

void watch(const sigset_t set) {
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  request_cancel();
  wait_for_second(set);
  // Nothing may run any more, destructors included: threads are in the middle of their work.
  abandon_outputs();
  _exit(say_stopped());
}

}  // namespace

void watch_signals() {
  // Every later thread inherits the mask, so that only the watching one receives these signals, and no system
  // call elsewhere needs to be interrupted.
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread(watch, set).detach();
}

int say_stopped() {
  static std::atomic<bool> said{false};
  // Not through a stream, whose lock a thread that hangs may hold.
  const std::string text = program_name() + ": stopped\n";
  if (!said.exchange(true)) (void)!::write(STDERR_FILENO, text.data(), text.size());
  return kStatus;
}

}  // namespace vitrim::app
