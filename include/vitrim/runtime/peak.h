#pragma once
// How fast this machine multiplies matrices at most: what an engine's share is measured against.

#include "vitrim/runtime/engine.h"

namespace vitrim::runtime {

/// Multiply-adds times two a second, in 1e12, of the chosen instruction set's product loop on operands that stay in the L1 cache, on `threads` threads at
/// once, best of several runs of about `seconds` in all.
double measure_tile_peak(Precision precision, int threads, double seconds);

}  // namespace vitrim::runtime
