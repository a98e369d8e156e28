#pragma once
// What goes on between a request to stop (core/log.h) and the end of the program.

namespace vitrim {

/// Whether a stop was requested, without throwing.
bool cancel_requested() noexcept;

/// While one exists, check_cancelled() and Progress do not throw: the work asks cancel_requested() itself, at
/// places where it can stop in good order. For work that several processes share, where one that left alone
/// would leave the others waiting.
class CancelDeferral {
 public:
  CancelDeferral();
  ~CancelDeferral();
  CancelDeferral(const CancelDeferral&) = delete;
  CancelDeferral& operator=(const CancelDeferral&) = delete;
};

/// While one exists, a program that was asked to stop waits `kLongGraceSeconds` for the work to end by
/// itself, not `kGraceSeconds`: there is something worth saving.
class LongGrace {
 public:
  LongGrace();
  ~LongGrace();
  LongGrace(const LongGrace&) = delete;
  LongGrace& operator=(const LongGrace&) = delete;
};

inline constexpr double kGraceSeconds = 1.2, kLongGraceSeconds = 20;
/// How long a program that was asked to stop should wait for its work to end, as things are now.
double grace_seconds() noexcept;

}  // namespace vitrim
