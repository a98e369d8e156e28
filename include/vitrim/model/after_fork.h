#pragma once
// LibTorch in a process that was forked.

namespace vitrim::model {

/// Makes LibTorch usable in a forked process: its OpenMP threads stayed in the parent, and the thread that
/// called fork() would wait for them for ever. The first call on that thread sets its number of threads to
/// one, as PyTorch's data loaders do; all other calls do nothing. Whatever uses LibTorch on a caller's thread
/// (making a model, running one) begins with it.
void settle_after_fork();

}  // namespace vitrim::model
