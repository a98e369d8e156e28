#pragma once
// SIGINT and SIGTERM: they request the work to stop, and end the program soon, whatever it waits for.

namespace vitrim::app {

/// Starts a thread that receives both signals. Call it before any other thread starts. The first signal
/// requests the work to stop at its next step (core/log.h). If the work does not stop within kGraceSeconds
/// (core/interrupt.h), or at a second signal, the thread removes unfinished outputs and ends the program.
void watch_signals();

/// Prints "stopped", once per process, and returns the exit status for it, 130.
int say_stopped();

/// While `yes`, a child program that receives the signals from this one prints "stopped" in its place.
void leave_saying_to_child(bool yes);

}  // namespace vitrim::app
