#pragma once
// How work ends after a request to stop (core/log.h).

namespace vitrim {

/// Whether a stop was requested, without throwing.
bool cancel_requested() noexcept;

/// While a CancelDeferral exists, check_cancelled() and Progress do not throw. The work then calls
/// cancel_requested() itself at points where it can stop cleanly. It is for work that several processes
/// share: if one process left alone, the others would wait for it.
class CancelDeferral {
 public:
  CancelDeferral();
  ~CancelDeferral();
  CancelDeferral(const CancelDeferral&) = delete;
  CancelDeferral& operator=(const CancelDeferral&) = delete;
};

/// Seconds that a program waits, after a request to stop, for its work to end by itself. With the time that
/// the system needs, the program then ends within two seconds.
inline constexpr double kGraceSeconds = 1.2;

}  // namespace vitrim
