#pragma once
// How fast this machine multiplies matrices at most: what an engine's share is measured against.

#include "vitrim/runtime/engine.h"

namespace vitrim::runtime {

/// Multiply-adds times two a second, in 1e12, of the chosen instruction set's product instructions on
/// operands in registers or tiles, on `threads` threads at once, best of several runs of about `seconds` in
/// all (at least one).
double measure_tile_peak(Precision precision, int threads, double seconds);
/// The same of the products of bytes, which int8 layers are made of.
double measure_byte_peak(int threads, double seconds);

}  // namespace vitrim::runtime
