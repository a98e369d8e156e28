#pragma once
// Long work for Python: it runs without the interpreter's lock on a thread of its own, while the calling
// thread hands messages and progress to Python and looks for Ctrl-C. So callbacks run where Python expects
// them (a notebook's widgets belong to the main thread), and other threads go on.

#include <pybind11/pybind11.h>

#include <functional>

namespace vitrim::python {

/// Runs `work` to its end. `notify` is called as notify("info" | "warning", text) and notify("progress",
/// {stage, unit, done, total, seconds, finished}); None: silence. Ctrl-C and exceptions of `notify` stop the
/// work at its next progress step and then travel on. One job runs at a time, a second one waits; one that
/// `notify` starts is refused (vitrim::Error), and so is a forked process that comes back out of `notify`.
/// `threads` > 0: LibTorch's threads for this job.
void run_job(const pybind11::object& notify, int threads, const std::function<void()>& work);

}  // namespace vitrim::python
