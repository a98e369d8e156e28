#pragma once
// The constant that all implementations of token merging share.

namespace vitrim {

/// Cosines between tokens are rounded to multiples of this step before they are compared, ties to even. The
/// step is about eight times the float32 error of one cosine. Tokens that differ only by rounding are
/// therefore equally similar in LibTorch, the engine and ONNX, with any number of threads. Among equally
/// similar tokens the first one is chosen.
inline constexpr double kCosineStep = 0x1p-20;

}  // namespace vitrim
