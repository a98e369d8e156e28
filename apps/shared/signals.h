#pragma once
// SIGINT and SIGTERM: the work is asked to stop, and the program ends soon whatever it waits for.

namespace vitrim::app {

/// From here on a thread of its own receives both signals. Call before any other thread begins. The first
/// signal asks the work to stop at its next step (core/log.h); where that does not come within
/// kGraceSeconds (core/interrupt.h), or at a second signal, unfinished outputs are removed and the program
/// ends.
void watch_signals();

/// Says "stopped", once in a process, and returns the exit status that goes with it, 130.
int say_stopped();

/// While `yes`, a program that this one started and that it hands signals on to says so in its place.
void leave_saying_to_child(bool yes);

}  // namespace vitrim::app
