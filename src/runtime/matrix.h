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
  /// Of a quantised layer, whose `weight` then holds whole numbers: [out]; the layer multiplies by
  /// factor * weight. Steps on its input can't be folded into it.
  std::vector<float> factor = {};
  std::vector<float> input_gain = {};  ///< of a quantised layer [in]: what it reads is gain * x; empty: x
  bool quantized() const { return !factor.empty(); }

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
  // Of a quantised layer instead of `data`: see Gemm.
  Buffer<Byte> data_bytes;
  Buffer<float> factor;   ///< [columns]
  Buffer<int32_t> shift;  ///< [columns]
  Buffer<float> gain;     ///< [k] on the input; empty: none

  Matrix() = default;
  explicit Matrix(const Linear& layer);
  bool quantized() const { return data_bytes.bytes() > 0; }
  int64_t bytes() const {
    return data.bytes() + bias.bytes() + data_bytes.bytes() + factor.bytes() + shift.bytes() + gain.bytes();
  }
};

}  // namespace vitrim::runtime
