#pragma once
// A matrix packed for products (kernels.h), with its bias.

#include <vector>

#include "runtime/kernels.h"
#include "runtime/memory.h"

namespace vitrim::runtime {

/// A linear layer as the checkpoint has it, float32, row-major [out, in]. Steps on it are folded in before it
/// is packed.
struct Linear {
  int64_t out = 0, in = 0;
  std::vector<float> weight, bias;  ///< bias always [out]

  /// Rows [begin, end).
  Linear rows(int64_t begin, int64_t end) const;
  /// y = W (gain * x + shift) + b: an affine step on the input (LayerNorm's).
  void fold_input(const std::vector<float>& gain, const std::vector<float>& shift);
  /// y = gain * (W x + b): LayerScale.
  void fold_output(const std::vector<float>& gain);
  void scale(float factor);
  /// Rows of zeros up to `out` of them.
  void pad_rows(int64_t count);
  /// This layer's rows, then the other's.
  void append(const Linear& other);
};

template <typename T>
struct Matrix {
  int64_t k = 0, columns = 0, valid = 0;  ///< rows and columns padded; columns that mean something
  Buffer<T> data;
  Buffer<float> bias;  ///< [columns]

  Matrix() = default;
  explicit Matrix(const Linear& layer);
  int64_t bytes() const { return data.bytes() + bias.bytes(); }
};

}  // namespace vitrim::runtime
