#pragma once
// Functions that the forward passes of all families share: products with packed weights, LayerNorm of rows,
// the MLP.

#include <string>

#include "runtime/weight_source.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

/// Number of rows that pass through the second half of a block together: all rows of a 224-pixel ViT image.
/// Measurements show that reading the weights once for 200 rows saves more than keeping the values between
/// two layers in the L2 cache (docs/performance.md).
inline constexpr int64_t kRowsTogether = 416;
/// Number of images that a thread processes together. One image has few rows after tokens are merged, are not
/// needed, or in a late stage.
inline constexpr int64_t kGroup = 4;

/// Rows are allocated in multiples of 32, with 32 extra rows, because tiles read past the end.
inline int64_t padded_rows(int64_t rows) { return round_up(rows, 32) + 32; }

/// The rows of a left operand, in the form that its matrix reads: values, or bytes and their factors.
template <typename T>
struct Left {
  const T* values = nullptr;
  int64_t ld = 0;  ///< distance of rows of the values or bytes
  const Byte* bytes = nullptr;
  const float* factors = nullptr;

  /// The rows from `begin` on.
  Left from(int64_t begin) const {
    return {values ? values + begin * ld : nullptr, ld, bytes ? bytes + begin * ld : nullptr,
            factors ? factors + begin : nullptr};
  }
};

/// Memory for the rows of a left operand: values [padded_rows, ld], of which the bytes of a quantised layer
/// use a part, and factors [padded_rows].
template <typename T>
struct Room {
  T* values = nullptr;
  int64_t ld = 0;
  float* factors = nullptr;

  Room from(int64_t begin) const { return {values + begin * ld, ld, factors + begin}; }
  /// The rows in this memory, for this matrix.
  Left<T> as_left(const Matrix<T>& matrix) const {
    if (!matrix.quantized()) return {values, ld};
    return {nullptr, ld * static_cast<int64_t>(sizeof(T)), reinterpret_cast<const Byte*>(values), factors};
  }
};

/// LayerNorm of rows [rows, width] of the stream, in the form that the matrix reads; `norm` is the affine
/// part if it is not folded into the matrix.
template <typename T>
Left<T> normalize_for(const KernelSet<T>& kernels, const Matrix<T>& matrix, const NormWeights& norm,
                      float eps, const float* x, int64_t width, int64_t rows, const Room<T>& room);
/// Converts rows of values in `room` into the form that the matrix reads; for a quantised layer they become
/// bytes in place.
template <typename T>
Left<T> convert_for(const KernelSet<T>& kernels, const Matrix<T>& matrix, int64_t width, int64_t rows,
                    const Room<T>& room);

/// Multiplies `rows` rows at `a` by the matrix and adds its bias; the caller sets the epilogue and the
/// output. scratch: [padded_rows(rows), kPanel].
template <typename T>
Gemm<T> product(const Matrix<T>& matrix, const Left<T>& a, int64_t rows, float* scratch);

/// out = gain * (x - mean) / deviation + shift, one row, sums in double precision; `out` may be x.
void layer_norm(const float* x, int64_t width, float eps, const NormWeights& weights, float* out);
/// The same for rows, in place, by the kernel.
void layer_norm_rows(const KernelSet<float>& kernels, float* x, int64_t rows, int64_t width, float eps,
                     const NormWeights& weights);

/// An MLP: LayerNorm (folded into fc1 unless that is quantised), fc1, the activation (in a gated MLP: of the
/// gates, times the units), fc2 (with LayerScale folded in).
template <typename T>
struct MlpWeights {
  Matrix<T> fc1, fc2;  ///< in a gated MLP, fc1's columns alternate between 16 gates and 16 units
  NormWeights norm;    ///< the norm, if it is not folded
  int64_t hidden = 0;  ///< input width of fc2
  Epilogue activation = Epilogue::kGelu;
  bool gated = false;

  MlpWeights() = default;
  /// Loads `norm2`, `mlp.fc1`, `mlp.fc2` and `ls2` after `prefix`.
  MlpWeights(const WeightSource& source, const ModelSpec& spec, const BlockSpec& block,
             const std::string& prefix);
  /// Output columns of fc1 and its activation, padded.
  int64_t hidden_columns() const { return gated ? fc1.columns / 2 : fc1.columns; }
  /// Width of a row between the layers: fc1 writes all of its columns, and fc2 reads up to its padded depth.
  int64_t hidden_width() const { return hidden_columns() > fc2.k ? hidden_columns() : fc2.k; }
  int64_t bytes() const { return fc1.bytes() + fc2.bytes(); }
};

/// Memory for a tile of rows: normed, hidden with rows of hidden_width().
template <typename T>
struct TileMemory {
  Room<T> normed, hidden;
  float* scratch = nullptr;
};

/// x += MLP(x); x [rows, width].
template <typename T>
void add_mlp(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, float* x, int64_t width,
             int64_t rows, const TileMemory<T>& memory);
/// Only the first layer, as values into memory.hidden; `epilogue` is kStore or the MLP's activation.
template <typename T>
void mlp_hidden(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, const float* x,
                int64_t width, int64_t rows, Epilogue epilogue, const TileMemory<T>& memory);
/// x += m a; x [rows, width].
template <typename T>
void add_product(const KernelSet<T>& kernels, const Matrix<T>& matrix, const Left<T>& a, float* x,
                 int64_t width, int64_t rows, float* scratch);

}  // namespace vitrim::runtime
