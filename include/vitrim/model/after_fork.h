#pragma once
// LibTorch in a process that was forked.

namespace vitrim::model {

/// Makes LibTorch usable in a forked process. Its OpenMP threads exist only in the parent, so the thread that
/// called fork() would wait for them for ever. The first call on that thread sets its number of threads to
/// one, as PyTorch's data loaders do; all other calls do nothing. Every function that runs LibTorch on a
/// caller's thread (to make or run a model) calls it first.
void settle_after_fork();

}  // namespace vitrim::model
