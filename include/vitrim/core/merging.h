#pragma once
// What everybody who merges tokens must agree on.

namespace vitrim {

/// Cosines between tokens are rounded to multiples of this before they are compared, halves to even: some
/// eight times what float32 leaves uncertain of one. So tokens that differ by rounding alone are equally
/// alike for LibTorch, the engine, ONNX and any number of threads. Of equally alike ones the first counts.
inline constexpr double kCosineStep = 0x1p-20;

}  // namespace vitrim
