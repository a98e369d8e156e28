#pragma once
// What the families' forward passes share: products with packed weights, LayerNorm of rows, the MLP.

#include <string>

#include "runtime/weight_source.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

/// Rows that pass through a block's second half together. The whole of a 224-pixel ViT image: measured,
/// reading the weights once for 200 rows is worth more than keeping what lies between two layers in the L2
/// cache (docs/performance.md).
inline constexpr int64_t kRowsTogether = 416;
/// Images that a thread takes at a time: tokens that are merged, not needed or of a late stage leave few rows
/// of one image.
inline constexpr int64_t kGroup = 4;

/// Rows are allocated in multiples of 32 and with 32 to spare: tiles read past the end.
inline int64_t padded_rows(int64_t rows) { return round_up(rows, 32) + 32; }

/// Rows on the left of a product, as its matrix reads them: values, or bytes and their factors.
template <typename T>
struct Left {
  const T* values = nullptr;
  int64_t ld = 0;  ///< of what is held
  const Byte* bytes = nullptr;
  const float* factors = nullptr;

  /// From row `begin` on.
  Left from(int64_t begin) const {
    return {values ? values + begin * ld : nullptr, ld, bytes ? bytes + begin * ld : nullptr,
            factors ? factors + begin : nullptr};
  }
};

/// Memory for the rows on the left of a product: values [padded_rows, ld], of which a quantised layer's take
/// a part, and factors [padded_rows].
template <typename T>
struct Room {
  T* values = nullptr;
  int64_t ld = 0;
  float* factors = nullptr;

  Room from(int64_t begin) const { return {values + begin * ld, ld, factors + begin}; }
  /// The rows that were made there for this matrix.
  Left<T> as_left(const Matrix<T>& matrix) const {
    if (!matrix.quantized()) return {values, ld};
    return {nullptr, ld * static_cast<int64_t>(sizeof(T)), reinterpret_cast<const Byte*>(values), factors};
  }
};

/// LayerNorm of rows [rows, width] of the stream as the matrix reads them; `norm` is its affine part where
/// that isn't folded into the matrix.
template <typename T>
Left<T> normalize_for(const KernelSet<T>& kernels, const Matrix<T>& matrix, const NormWeights& norm,
                      float eps, const float* x, int64_t width, int64_t rows, const Room<T>& room);
/// Rows that stand in `room` as values, as the matrix reads them: a quantised layer's become bytes in place.
template <typename T>
Left<T> convert_for(const KernelSet<T>& kernels, const Matrix<T>& matrix, int64_t width, int64_t rows,
                    const Room<T>& room);

/// `rows` rows at `a` times the matrix, with its bias; the epilogue and where it goes are the caller's.
/// scratch: [padded_rows(rows), kPanel].
template <typename T>
Gemm<T> product(const Matrix<T>& matrix, const Left<T>& a, int64_t rows, float* scratch);

/// out = gain * (x - mean) / deviation + shift, one row, sums in double precision; `out` may be x.
void layer_norm(const float* x, int64_t width, float eps, const NormWeights& weights, float* out);
/// The same for rows, in place, by the kernel.
void layer_norm_rows(const KernelSet<float>& kernels, float* x, int64_t rows, int64_t width, float eps,
                     const NormWeights& weights);

/// LayerNorm (folded into fc1 unless that is quantised), fc1, the activation (of a gated MLP of the gates,
/// times the units), fc2 (LayerScale folded in).
template <typename T>
struct MlpWeights {
  Matrix<T> fc1, fc2;  ///< of a gated MLP fc1's columns are gates and units, alternating every 16
  NormWeights norm;    ///< where it isn't folded
  int64_t hidden = 0;  ///< units that fc2 reads
  Epilogue activation = Epilogue::kGelu;
  bool gated = false;

  MlpWeights() = default;
  /// `norm2`, `mlp.fc1`, `mlp.fc2` and `ls2` after `prefix`.
  MlpWeights(const WeightSource& source, const ModelSpec& spec, const BlockSpec& block,
             const std::string& prefix);
  /// Columns that come out of fc1 and its activation, padded.
  int64_t hidden_columns() const { return gated ? fc1.columns / 2 : fc1.columns; }
  /// Width of a row between the layers: fc1 writes all of its columns, fc2 reads as deep as it is padded.
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
/// The first layer alone, as values into memory.hidden; `epilogue` is kStore or the MLP's activation.
template <typename T>
void mlp_hidden(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, const float* x,
                int64_t width, int64_t rows, Epilogue epilogue, const TileMemory<T>& memory);
/// x += m a; x [rows, width].
template <typename T>
void add_product(const KernelSet<T>& kernels, const Matrix<T>& matrix, const Left<T>& a, float* x,
                 int64_t width, int64_t rows, float* scratch);

}  // namespace vitrim::runtime
