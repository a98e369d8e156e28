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

/// How long a program that was asked to stop waits for its work to end by itself: it is gone within two
/// seconds, with the time that the system needs for it.
inline constexpr double kGraceSeconds = 1.2;

}  // namespace vitrim
