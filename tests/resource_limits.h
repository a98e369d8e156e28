#pragma once
// The resource rule: no input file of at most 1 MB makes a reader use more than 2 seconds or 512 MiB, whether
// it is accepted or refused. A reader runs in a separate child process, so that a reader that crashes, hangs
// or uses all memory fails the test but does not end the test program.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <new>
#include <string>

#include "vitrim/core/error.h"

// Threads do not survive fork(): in the child, parallel loops must run on the one thread that is left. Null
// in programs without OpenMP.
extern "C" void omp_set_num_threads(int) __attribute__((weak));

namespace vitrim::test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

struct ResourceLimits {
  double seconds = 2;  ///< of processor time, which other programs on the machine do not lengthen
  int64_t megabytes = 512;
};

/// The outcome of a reader.
struct Outcome {
  std::string broken;  ///< the rule that it broke; empty: none
  std::string error;   ///< the message of the vitrim::Error that it threw; empty: none
  double seconds = 0;
  int64_t megabytes = 0;
};

namespace resource_limits {

/// A field of /proc/self/status in kilobytes.
inline int64_t status_kilobytes(const std::string& field) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word != field + ":") continue;
    int64_t value = 0;
    file >> value;
    return value;
  }
  return 0;
}

inline double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// The child: answers "KIND SECONDS MEGABYTES MESSAGE" and ends without running the parent's destructors.
[[noreturn]] inline void answer(int pipe, const std::function<void()>& read, const ResourceLimits& limits) {
  if (omp_set_num_threads) omp_set_num_threads(1);
  const double seconds_before = processor_seconds();
  const int64_t resident_before = status_kilobytes("VmRSS");
  if (!kSanitized) {
    // Hard stops well above the limits, which protect the machine; the limits themselves are compared below.
    const auto stop = static_cast<rlim_t>(seconds_before + 5 * limits.seconds) + 1;
    const rlimit processor{stop, stop};
    setrlimit(RLIMIT_CPU, &processor);
    const auto most = static_cast<rlim_t>(status_kilobytes("VmData") * 1024 + limits.megabytes * (3 << 20));
    const rlimit memory{most, most};
    setrlimit(RLIMIT_DATA, &memory);
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  std::string kind = "taken", message;
  try {
    read();
  } catch (const std::bad_alloc&) {
    kind = "memory";
  } catch (const Error& error) {
    kind = "refused";
    message = error.what();
  } catch (const std::exception& error) {
    kind = "other";
    message = error.what();
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const std::string text = kind + " " + std::to_string(processor_seconds() - seconds_before) + " " +
                           std::to_string((usage.ru_maxrss - resident_before) / 1024) + " " +
                           message.substr(0, 1 << 15);
  (void)!::write(pipe, text.data(), text.size());
  _exit(0);
}

}  // namespace resource_limits

/// Runs `read` in a child process and returns which rule it broke, if any.
inline Outcome run_limited(const std::function<void()>& read, const ResourceLimits& limits = {}) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no child process");
  if (child == 0) resource_limits::answer(ends[1], read, limits);
  close(ends[1]);
  std::string text;
  bool hangs = false;
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (char buffer[4096];;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(patience - std::chrono::steady_clock::now());
    pollfd waiting{ends[0], POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(std::max<int64_t>(left.count(), 0))) <= 0) {
      hangs = true;
      kill(child, SIGKILL);
      break;
    }
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  Outcome outcome;
  if (hangs) {
    outcome.broken = "waits for ever";
    return outcome;
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
    outcome.broken = "works for ever";
    return outcome;
  }
  if (WIFSIGNALED(status) || text.empty()) {
    outcome.broken =
        std::string("dies (") + (WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "no answer") + ")";
    return outcome;
  }
  const size_t first = text.find(' '), second = text.find(' ', first + 1), third = text.find(' ', second + 1);
  const std::string kind = text.substr(0, first);
  outcome.seconds = std::stod(text.substr(first + 1));
  outcome.megabytes = std::stoll(text.substr(second + 1));
  const std::string message = text.substr(third + 1);
  if (kind == "refused") outcome.error = message;
  if (kind == "other") outcome.broken = "throws something else: " + message;
  if (kSanitized) return outcome;  // slower and larger by a factor that is not meaningful
  if (kind == "memory") outcome.broken = "needs more memory than it gets";
  if (outcome.seconds > limits.seconds)
    outcome.broken = "takes " + std::to_string(outcome.seconds) + " seconds";
  if (outcome.megabytes > limits.megabytes)
    outcome.broken = "takes " + std::to_string(outcome.megabytes) + " MiB";
  return outcome;
}

/// Expects that `read` refuses its file within the limits, and returns the message.
inline std::string refused_within_limits(const std::function<void()>& read,
                                         const ResourceLimits& limits = {}) {
  const Outcome outcome = run_limited(read, limits);
  EXPECT_EQ(outcome.broken, "");
  EXPECT_NE(outcome.error, "") << "nothing was refused";
  return outcome.error;
}

/// Expects that `read` accepts its file within the limits.
inline void taken_within_limits(const std::function<void()>& read, const ResourceLimits& limits = {}) {
  const Outcome outcome = run_limited(read, limits);
  EXPECT_EQ(outcome.broken, "");
  EXPECT_EQ(outcome.error, "");
}

}  // namespace vitrim::test
