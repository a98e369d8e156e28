#pragma once
// The engine's arithmetic: one table of functions per instruction set, all compiled from kernels_body.h (and
// gemm_tiles.h). Nothing here allocates.
//
// Right operands of products are packed once, into panels of at most 64 columns, a multiple of 16. In a
// panel, float32 is stored row by row; bfloat16 is stored in rows of pairs, so that a 32-bit word holds rows
// 2p and 2p + 1 of one column, as dot-product instructions and tiles require. The number of rows k is padded
// with zeros to a multiple of 32 for bfloat16. Left operands are row-major, with rows padded in the same way.
//
// Layers that are quantised to int8 multiply bytes instead (docs/quantization.md): weights are signed, with
// four rows of a column per word; activations are unsigned, x + 128. Both are padded to a multiple of 64
// rows. Their sums are exact in int32 and are converted to float32 when they leave the registers.

#include <cstdint>

namespace vitrim::runtime {

enum class Isa;

struct Bf16 {
  uint16_t bits;
};
/// A byte of a quantised layer: an activation + 128, or a weight in two's complement.
struct Byte {
  uint8_t bits;
};

inline constexpr int64_t kPanel = 64;       ///< columns of a panel
inline constexpr int64_t kColumnStep = 16;  ///< columns are padded to a multiple of this
template <typename T>
inline constexpr int64_t kDepthStep =
    sizeof(T) == 1   ? 64
    : sizeof(T) == 2 ? 32
                     : 1;  ///< rows of a packed matrix are padded to a multiple of this
/// Number of elements of one column in a 32-bit word of a packed matrix.
template <typename T>
inline constexpr int64_t kPerWord = 4 / static_cast<int64_t>(sizeof(T));

// Not inline, because the linker might keep the copy of an inline function that was compiled for a newer
// machine.
static constexpr int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Static for the same reason as round_up.
static inline float to_float(float x) { return x; }
static inline float to_float(Bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float out = 0;
  __builtin_memcpy(&out, &bits, 4);
  return out;
}
static inline void set_float(float* p, float x) { *p = x; }
/// To nearest, ties to even; NaN stays NaN.
static inline void set_float(Bf16* p, float x) {
  uint32_t bits = 0;
  __builtin_memcpy(&bits, &x, 4);
  p->bits = x != x ? static_cast<uint16_t>(0x7fc0)
                   : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// What the kernel does with a product before it stores it.
enum class Epilogue {
  kStore,   ///< out[T] = c + bias, padded columns included
  kFloat,   ///< out[float] = c + bias
  kAdd,     ///< out[float] += c + bias
  kScaled,  ///< out[T] = c * row_scale[row]
  // Activations: out[T] = f(c + bias), padded columns included; with Gemm::gated half as many columns.
  kGelu,
  kGeluTanh,
  kQuickGelu,
  kRelu,
  kSilu,
};

/// out = epilogue(a b). Cost: rows * k * columns multiply-adds.
template <typename T>
struct Gemm {
  const T* a = nullptr;  ///< [rows, >= k], `lda` apart
  int64_t lda = 0, rows = 0;
  // For a quantised layer, instead of `a` and `b`; c = a_factor b_factor (sum a b - b_shift).
  const Byte* a_bytes = nullptr;     ///< [rows, >= k], `lda` apart
  const Byte* b_bytes = nullptr;     ///< packed [k, columns]
  const float* a_factor = nullptr;   ///< [rows]
  const float* b_factor = nullptr;   ///< [columns]
  const int32_t* b_shift = nullptr;  ///< [columns] 128 times the sum of a column
  const T* b = nullptr;              ///< packed [k, columns]
  int64_t k = 0, columns = 0;        ///< padded
  float* scratch = nullptr;          ///< [rows rounded up to 32, 64]
  Epilogue epilogue = Epilogue::kStore;
  bool gated = false;   ///< columns alternate between 16 gates and their 16 units: out[j] = f(gate j) * unit
                        ///< j; `columns` is a multiple of 32
  void* out = nullptr;  ///< [rows, ..], `ldo` apart
  int64_t ldo = 0;
  int64_t valid = 0;            ///< number of columns that kFloat, kAdd and kScaled write
  const float* bias = nullptr;  ///< [columns], zero where padded; null: none
  const float* row_scale = nullptr;
};

/// Quantises the input rows of a layer, each row by itself: x_q = round(v 127 / max |v|), ties to even; out =
/// x_q + 128, and 128 from `width` up to `padded`; factors[row] = max |v| / 127, or NaN if a value is NaN. T:
/// the input type.
template <typename T>
struct Quantize {
  const T* x = nullptr;  ///< [rows, width], `ldx` apart
  int64_t ldx = 0, rows = 0, width = 0;
  // v = x without gain and shift; v = gain x with a gain; with both v is the LayerNorm of x,
  // v = gain (x - mean) / sqrt(variance + eps) + shift.
  const float* gain = nullptr;   ///< [width]
  const float* shift = nullptr;  ///< [width]
  float eps = 0;
  Byte* out = nullptr;  ///< [rows, padded], `ldo` apart; a row may have the address of the row of x
  int64_t padded = 0, ldo = 0;
  float* factors = nullptr;  ///< [rows]
};

/// A depthwise convolution of a map that is padded with zeros; every channel has its own filter. Cost: lines
/// * width * channels * side^2 multiply-adds.
template <typename T>
struct Depthwise {
  const T* in = nullptr;  ///< the map's tokens [height * width, channels], `ldi` apart
  int64_t ldi = 0, height = 0, width = 0;
  int64_t begin = 0, end = 0;          ///< lines of the map to compute
  const float* filter = nullptr;       ///< [side * side, channels]
  const float* bias = nullptr;         ///< [channels]
  int64_t side = 0, channels = 0;      ///< odd; a multiple of 16
  Epilogue epilogue = Epilogue::kAdd;  ///< kAdd: out += c + bias; an activation: out = f(c + bias)
  T* out = nullptr;                    ///< tokens of the computed lines, `ldo` apart
  int64_t ldo = 0;
};

template <typename T>
struct KernelSet {
  void (*gemm)(const Gemm<T>&);
  /// out[r] = (x[r] - mean) / sqrt(variance + eps), zero beyond `width` up to ldo.
  void (*normalize)(const float* x, int64_t ldx, int64_t rows, int64_t width, float eps, T* out, int64_t ldo);
  /// Rows of the stream, after LayerNorm, quantised for a layer.
  void (*quantize_normed)(const Quantize<float>&);
  void (*quantize)(const Quantize<T>&);
  /// p = 2^(score + bias - max) for the first `keys` columns, then zeros up to ldp; inverse_sums[r] = 1 /
  /// sum. The rows of the bias are `ldb` apart (0: one row for all); the bias may be null.
  void (*softmax)(const float* scores, int64_t lds, int64_t rows, int64_t keys, const float* bias,
                  int64_t ldb, T* p, int64_t ldp, float* inverse_sums);
  /// out = x, zero beyond `width` up to ldo.
  void (*convert)(const float* x, int64_t ldx, int64_t rows, int64_t width, T* out, int64_t ldo);
  /// Packs the transpose of row-major m [rows, k], k padded: columns are its rows, zero beyond.
  void (*pack_transposed)(const T* m, int64_t ldm, int64_t rows, int64_t k, T* out);
  /// Packs row-major m [rows, columns], columns padded; zero beyond `rows`.
  void (*pack)(const T* m, int64_t ldm, int64_t rows, int64_t columns, T* out);
  void (*depthwise)(const Depthwise<T>&);
  /// Focused linear attention's map of `width` channels, a multiple of 16: f = (relu(x + offset) + 1e-6) *
  /// factor, x = f^power |f| / |f^power|, in place. offset [rows, width] may be null; a factor of zero
  /// removes a channel.
  void (*focus)(T* x, int64_t ldx, int64_t rows, int64_t width, const float* offset, const float* factor,
                int64_t power);
  /// sums[c] += x[r][c]; `width` is a multiple of 16.
  void (*add_columns)(const T* x, int64_t ldx, int64_t rows, int64_t width, float* sums);
  /// out[r] = 1 / (x[r] . vector + offset); `width` is a multiple of 16.
  void (*inverse_dots)(const T* x, int64_t ldx, int64_t rows, int64_t width, const float* vector,
                       float offset, float* out);
  /// out[c][r] = x[r][c], zero beyond `rows` up to ldo.
  void (*transpose)(const T* x, int64_t ldx, int64_t rows, int64_t columns, T* out, int64_t ldo);
  /// out = a + t (b - a); the number of values is a multiple of 16.
  void (*blend)(const T* a, const T* b, float t, int64_t width, T* out);
  /// `repeats` rounds of products on operands in registers (or tiles), without loads or stores: the machine's
  /// peak. Returns the multiply-adds of one round.
  int64_t (*peak_loop)(int64_t repeats);
};

struct Kernels {
  KernelSet<float> f32;
  KernelSet<Bf16> bf16;
  /// The same as KernelSet::peak_loop, for bytes.
  int64_t (*peak_loop_bytes)(int64_t repeats);
};

/// The functions for one element type.
template <typename T>
static inline const KernelSet<T>& kernels_for(const Kernels& kernels) {
  if constexpr (sizeof(T) == 2) {
    return kernels.bf16;
  } else {
    return kernels.f32;
  }
}

/// The table of an instruction set, which this machine must have.
const Kernels& kernels_of(Isa isa);

const Kernels& plain_kernels();
const Kernels& avx2_kernels();
const Kernels& avx_vnni_kernels();
const Kernels& avx512_kernels();
const Kernels& avx512_vnni_kernels();
const Kernels& avx512_bf16_kernels();
const Kernels& amx_kernels();
/// amx_kernels() with tile arithmetic in plain code, for tests on machines without tiles.
const Kernels& emulated_tile_kernels();

}  // namespace vitrim::runtime
