#pragma once
// A matrix packed for products (kernels.h), with its bias.

#include <vector>

#include "runtime/kernels.h"
#include "runtime/memory.h"

namespace vitrim::runtime {

/// A linear layer as in the checkpoint, float32, row-major [out, in]. Neighbouring steps are folded into it
/// before it is packed.
struct Linear {
  int64_t out = 0, in = 0;
  std::vector<float> weight, bias;  ///< bias always [out]
  /// For a quantised layer, [out]: `weight` then contains integers, and the layer multiplies by factor *
  /// weight. Steps on its input can't be folded into it.
  std::vector<float> factor = {};
  std::vector<float> input_gain =
      {};  ///< for a quantised layer [in]: the layer reads gain * x; empty: it reads x
  bool quantized() const { return !factor.empty(); }

  /// The rows [begin, end).
  Linear rows(int64_t begin, int64_t end) const;
  /// Folds in an affine step on the input (LayerNorm's): y = W (gain * x + shift) + b.
  void fold_input(const std::vector<float>& gain, const std::vector<float>& shift);
  /// Folds in LayerScale: y = gain * (W x + b).
  void fold_output(const std::vector<float>& gain);
  void scale(float factor);
  /// Appends rows of zeros up to `out` rows.
  void pad_rows(int64_t count);
  /// The rows of this layer, followed by those of the other.
  void append(const Linear& other);
};

template <typename T>
struct Matrix {
  int64_t k = 0, columns = 0, valid = 0;  ///< padded rows, padded columns, and columns that are used
  Buffer<T> data;
  Buffer<float> bias;  ///< [columns]
  // For a quantised layer, instead of `data`: see Gemm.
  Buffer<Byte> data_bytes;
  Buffer<float> factor;   ///< [columns]
  Buffer<int32_t> shift;  ///< [columns]
  Buffer<float> gain;     ///< [k] gain on the input; empty: none

  Matrix() = default;
  explicit Matrix(const Linear& layer);
  bool quantized() const { return data_bytes.bytes() > 0; }
  int64_t bytes() const {
    return data.bytes() + bias.bytes() + data_bytes.bytes() + factor.bytes() + shift.bytes() + gain.bytes();
  }
};

}  // namespace vitrim::runtime
