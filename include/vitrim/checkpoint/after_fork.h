#pragma once
// LibTorch in a process that was forked.

namespace vitrim::checkpoint {

/// Makes LibTorch usable in a forked process: its OpenMP threads stayed in the parent, and the thread that
/// called fork() would wait for them for ever. The first call on that thread sets its number of threads to
/// one, as PyTorch's data loaders do; all other calls do nothing. Whatever uses LibTorch on a caller's thread
/// (reading a checkpoint, making a model or an engine) begins with it.
void settle_after_fork();

}  // namespace vitrim::checkpoint
