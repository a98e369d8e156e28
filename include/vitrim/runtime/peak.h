#pragma once
// The peak speed of matrix products on this machine, to which the engine's speed is compared.

#include "vitrim/runtime/engine.h"

namespace vitrim::runtime {

/// Peak speed in 1e12 operations per second (two per multiply-add) of the chosen instruction set's product
/// instructions, on operands in registers or tiles, with `threads` threads at once. It is the best of several
/// runs (at least one) that take about `seconds` in total.
double measure_tile_peak(Precision precision, int threads, double seconds);
/// The same for the products of bytes that int8 layers use.
double measure_byte_peak(int threads, double seconds);

}  // namespace vitrim::runtime
