#pragma once
// Long work for Python. It runs without the GIL on a separate thread, while the calling thread passes
// messages and progress to Python and checks for Ctrl-C. So callbacks run on the thread where Python expects
// them (a notebook's widgets belong to the main thread), and other threads can run.

#include <pybind11/pybind11.h>

#include <functional>

namespace vitrim::python {

/// Runs `work` to its end. `notify` is called as notify("info" | "warning", text) and notify("progress",
/// {stage, unit, done, total, seconds, finished}); None: no messages. Ctrl-C and exceptions of `notify` stop
/// the work at its next progress step and are then rethrown. Only one job runs at a time, and a second one
/// waits. A job that `notify` starts is refused (vitrim::Error), and so is a forked process that returns from
/// `notify`. `threads` > 0: LibTorch's threads for this job.
void run_job(const pybind11::object& notify, int threads, const std::function<void()>& work);

}  // namespace vitrim::python
