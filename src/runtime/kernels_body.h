// The kernels. They are written once and compiled once per instruction set: kernels_*.cpp include this file
// inside a separate namespace and define before:
//   VITRIM_LANES      floats in a register
//   VITRIM_VECTORS    registers side by side in a tile of the product
//   VITRIM_DOT        optional: VITRIM_DOT(sum, a, b) adds the products of pairs of bfloat16 in 32-bit words
//   VITRIM_TO_BF16    optional: VITRIM_TO_BF16(v) rounds floats to bfloat16
//   VITRIM_DOT_BYTES  optional: the same for four unsigned bytes a and signed bytes b, exact
//   VITRIM_PAIRS      optional: VITRIM_PAIRS(a, b) multiplies int16 values and adds neighbouring products
// Everything is in that namespace and static, so that the linker can't use code from here on a machine that
// lacks the instructions. For the same reason no standard header is included.

constexpr int kLanes = VITRIM_LANES;
constexpr int kTileRows = 6;
constexpr int kVectors = VITRIM_VECTORS;
constexpr int kTileColumns = kLanes * kVectors;
// Depth of a block of the right operand: 64 columns of it fit into the L1 cache.
template <typename T>
constexpr int64_t kDepthBlock = 128 * kPerWord<T>;

typedef float Vf __attribute__((vector_size(kLanes * 4)));
typedef int32_t Vi __attribute__((vector_size(kLanes * 4)));
typedef uint32_t Vu __attribute__((vector_size(kLanes * 4)));
typedef uint16_t Vh __attribute__((vector_size(kLanes * 2)));
typedef uint8_t Vb __attribute__((vector_size(kLanes)));
typedef float VfAnywhere __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef uint32_t VuAnywhere __attribute__((vector_size(kLanes * 4), aligned(2), may_alias));
typedef int32_t ViAnywhere __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef uint32_t VuBytes __attribute__((vector_size(kLanes * 4), aligned(1), may_alias));
typedef uint16_t VhAnywhere __attribute__((vector_size(kLanes * 2), aligned(2), may_alias));
typedef uint8_t VbAnywhere __attribute__((vector_size(kLanes), aligned(1), may_alias));

static inline Vf all(float x) { return x - Vf{}; }
static inline Vu all_words(uint32_t x) { return x - Vu{}; }
static inline Vf load(const float* p) { return *reinterpret_cast<const VfAnywhere*>(p); }
static inline void store(float* p, Vf v) { *reinterpret_cast<VfAnywhere*>(p) = v; }
static inline Vf as_float(Vu v) { return reinterpret_cast<Vf>(v); }
static inline Vu as_words(Vf v) { return reinterpret_cast<Vu>(v); }
static inline Vf larger(Vf a, Vf b) { return a > b ? a : b; }

static inline Vf load_as_float(const float* p) { return load(p); }
static inline Vf load_as_float(const Bf16* p) {
  return as_float(__builtin_convertvector(*reinterpret_cast<const VhAnywhere*>(p), Vu) << 16);
}
static inline void store_as(float* p, Vf v) { store(p, v); }
// To nearest, ties to even; NaN stays NaN.
static inline void store_as(Bf16* p, Vf v) {
#ifdef VITRIM_TO_BF16
  *reinterpret_cast<VhAnywhere*>(p) = VITRIM_TO_BF16(v);
#else
  const Vu bits = as_words(v);
  const Vu rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const Vi number = v == v;
  *reinterpret_cast<VhAnywhere*>(p) = __builtin_convertvector(number ? rounded : all_words(0x7fc0), Vh);
#endif
}
// Four lanes at a time, because single additions would wait for each other.
typedef float Four __attribute__((vector_size(16), may_alias));
static inline float sum_of(Vf v) {
  const Four* part = reinterpret_cast<const Four*>(&v);
  Four four = part[0];
#pragma GCC unroll 4
  for (int i = 1; i < kLanes / 4; ++i) four += part[i];
  return (four[0] + four[2]) + (four[1] + four[3]);
}
static inline float largest_of(Vf v) {
  const Four* part = reinterpret_cast<const Four*>(&v);
  Four four = part[0];
#pragma GCC unroll 4
  for (int i = 1; i < kLanes / 4; ++i) four = four > part[i] ? four : part[i];
  const float a = four[0] > four[2] ? four[0] : four[2], b = four[1] > four[3] ? four[1] : four[3];
  return a > b ? a : b;
}

#include "runtime/activations_body.h"

// ---- products ----

// sum [R, N] += the products of one step in depth: a column of a (for bfloat16 two columns) with the row of b
// at `b`.
template <int R, int N>
static inline void add_products(Vf (&sum)[R][N], const float* a, int64_t lda, const float* b) {
  Vf row[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) row[j] = load(b + j * kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Vf x = all(a[r * lda]);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sum[r][j] += x * row[j];
  }
}

template <int R, int N>
static inline void add_products(Vf (&sum)[R][N], const Bf16* a, int64_t lda, const Bf16* b) {
  Vu row[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) row[j] = *reinterpret_cast<const VuAnywhere*>(b + 2 * j * kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    uint32_t pair;
    __builtin_memcpy(&pair, a + r * lda, 4);
#ifdef VITRIM_DOT
    const Vu x = all_words(pair);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sum[r][j] = VITRIM_DOT(sum[r][j], x, row[j]);
#else
    const Vf even = as_float(all_words(pair << 16)), odd = as_float(all_words(pair & 0xffff0000u));
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j)
      sum[r][j] += even * as_float(row[j] << 16) + odd * as_float(row[j] & 0xffff0000u);
#endif
  }
}

#include "runtime/bytes_body.h"

// The type of sums: float32; int32 for bytes.
template <typename T>
struct SumOf {
  typedef Vf Type;
  typedef VfAnywhere Anywhere;
};
template <>
struct SumOf<Byte> {
  typedef Vi Type;
  typedef ViAnywhere Anywhere;
};

// c [R, N * kLanes] (+)= a [R, k] b [k, ..]; b's rows are `ldb` columns apart, c's kPanel sums.
template <int R, int N, typename T>
static inline void tile(const T* a, int64_t lda, const T* b, int64_t ldb, int64_t k, float* c, bool fresh) {
  typedef typename SumOf<T>::Type Sum;
  typedef typename SumOf<T>::Anywhere SumAnywhere;
  Sum sum[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j)
      sum[r][j] = fresh ? Sum{} : Sum(*reinterpret_cast<const SumAnywhere*>(c + r * kPanel + j * kLanes));
  }
  for (int64_t i = 0; i < k; i += kPerWord<T>) add_products<R, N>(sum, a + i, lda, b + i * ldb);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) *reinterpret_cast<SumAnywhere*>(c + r * kPanel + j * kLanes) = sum[r][j];
  }
}

template <int R, typename T>
static void strip_of(const T* a, int64_t lda, const T* b, int64_t width, int64_t k, float* c, bool fresh) {
  for (int64_t j = 0; j < width; j += kTileColumns) {
    const T* from = b + j * kPerWord<T>;
    const int64_t left = (width - j) / kLanes;
    if (left >= kVectors) {
      tile<R, kVectors>(a, lda, from, width, k, c + j, fresh);
    } else if constexpr (kVectors >
                         2) {  // panels have a multiple of 16 columns, so this is the last panel on AVX-512
      if (left == 3) tile<R, 3>(a, lda, from, width, k, c + j, fresh);
      if (left == 2) tile<R, 2>(a, lda, from, width, k, c + j, fresh);
      if (left == 1) tile<R, 1>(a, lda, from, width, k, c + j, fresh);
    }
  }
}

template <typename T>
static inline void strip(int64_t rows, const T* a, int64_t lda, const T* b, int64_t width, int64_t k,
                         float* c, bool fresh) {
  switch (rows) {
    case 1:
      return strip_of<1>(a, lda, b, width, k, c, fresh);
    case 2:
      return strip_of<2>(a, lda, b, width, k, c, fresh);
    case 3:
      return strip_of<3>(a, lda, b, width, k, c, fresh);
    case 4:
      return strip_of<4>(a, lda, b, width, k, c, fresh);
    case 5:
      return strip_of<5>(a, lda, b, width, k, c, fresh);
    default:
      return strip_of<6>(a, lda, b, width, k, c, fresh);
  }
}

template <bool kBytes, Epilogue kEpilogue, typename T>
static void write_activated(const Gemm<T>& g, const float* c, int64_t r0, int64_t rows, int64_t j0,
                            int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    const Sums<kBytes, T> sums(g, c, r0, r, j0);
    T* out = static_cast<T*>(g.out) + (r0 + r) * g.ldo;
    if (g.gated) {
      for (int64_t j = 0; j < width; j += 2 * kColumnStep) {
        for (int64_t i = j; i < j + kColumnStep; i += kLanes)
          store_as(out + (j0 - j) / 2 + i, activated<T>(kEpilogue, sums.at(i)) * sums.at(i + kColumnStep));
      }
    } else {
      int64_t j = 0;
      if constexpr (kEpilogue == Epilogue::kGelu && sizeof(T) == 2) {
        for (; j + 4 * kLanes <= width; j += 4 * kLanes) {
          Vf x[4];
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) x[i] = sums.at(j + i * kLanes);
          gelu_short(x);
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) store_as(out + j0 + j + i * kLanes, x[i]);
        }
      }
      for (; j < width; j += kLanes) store_as(out + j0 + j, activated<T>(kEpilogue, sums.at(j)));
    }
  }
}

// Stores results: `rows` rows of a panel of `width` columns, which begins at row r0 and column j0 of the
// result. kBytes: c contains sums of bytes.
template <bool kBytes, typename T>
static void write_product(const Gemm<T>& g, const float* c, int64_t r0, int64_t rows, int64_t j0,
                          int64_t width) {
  switch (g.epilogue) {
    case Epilogue::kStore:
      return write_activated<kBytes, Epilogue::kStore>(g, c, r0, rows, j0, width);
    case Epilogue::kGelu:
      return write_activated<kBytes, Epilogue::kGelu>(g, c, r0, rows, j0, width);
    case Epilogue::kGeluTanh:
      return write_activated<kBytes, Epilogue::kGeluTanh>(g, c, r0, rows, j0, width);
    case Epilogue::kQuickGelu:
      return write_activated<kBytes, Epilogue::kQuickGelu>(g, c, r0, rows, j0, width);
    case Epilogue::kRelu:
      return write_activated<kBytes, Epilogue::kRelu>(g, c, r0, rows, j0, width);
    case Epilogue::kSilu:
      return write_activated<kBytes, Epilogue::kSilu>(g, c, r0, rows, j0, width);
    default:
      break;
  }
  const int64_t valid = g.valid - j0 < width ? g.valid - j0 : width, whole = valid / kLanes * kLanes;
  for (int64_t r = 0; r < rows; ++r) {
    const Sums<kBytes, T> sums(g, c, r0, r, j0);
    if (g.epilogue == Epilogue::kScaled) {
      T* out = static_cast<T*>(g.out) + (r0 + r) * g.ldo + j0;
      const float scale = g.row_scale[r0 + r];
      for (int64_t j = 0; j < whole; j += kLanes) store_as(out + j, sums.at(j) * scale);
      if (whole == valid) continue;
      const Vf last = sums.at(whole) * scale;  // the width of a panel is a multiple of the registers'
      for (int64_t j = whole; j < valid; ++j) set_float(out + j, last[j - whole]);
    } else {
      float* out = static_cast<float*>(g.out) + (r0 + r) * g.ldo + j0;
      const bool add = g.epilogue == Epilogue::kAdd;
      for (int64_t j = 0; j < whole; j += kLanes) {
        const Vf v = sums.at(j);
        store(out + j, add ? v + load(out + j) : v);
      }
      if (whole == valid) continue;
      const Vf last = sums.at(whole);
      for (int64_t j = whole; j < valid; ++j) out[j] = add ? last[j - whole] + out[j] : last[j - whole];
    }
  }
}

// T: the type of the operands, Out: the type of the result.
template <typename T, typename Out>
static void multiply(const Gemm<Out>& g, const T* left, const T* right) {
  for (int64_t j0 = 0; j0 < g.columns; j0 += kPanel) {
    const int64_t width = g.columns - j0 < kPanel ? g.columns - j0 : kPanel;
    const T* panel = right + j0 * g.k;
    for (int64_t k0 = 0; k0 < g.k; k0 += kDepthBlock<T>) {
      const int64_t depth = g.k - k0 < kDepthBlock<T> ? g.k - k0 : kDepthBlock<T>;
      const bool first = k0 == 0, last = k0 + depth == g.k;
      for (int64_t r0 = 0; r0 < g.rows; r0 += kTileRows) {
        const int64_t rows = g.rows - r0 < kTileRows ? g.rows - r0 : kTileRows;
        float* c = g.scratch + (first && last ? 0 : r0 * kPanel);
        // The next block is prefetched while this one is used: each strip fetches its share of it.
        const char* next = reinterpret_cast<const char*>(panel + k0 * width + depth * width);
        const int64_t bytes = depth * width * static_cast<int64_t>(sizeof(T)),
                      part = (bytes * kTileRows / g.rows + 63) / 64 * 64;
        for (int64_t i = r0 / kTileRows * part; i < (r0 / kTileRows + 1) * part && i < bytes; i += 64)
          __builtin_prefetch(next + i, 0, 2);
        strip(rows, left + r0 * g.lda + k0, g.lda, panel + k0 * width, width, depth, c, first);
        if (last) write_product<sizeof(T) == 1>(g, c, r0, rows, j0, width);
      }
    }
  }
}

template <typename T>
static void gemm(const Gemm<T>& g) {
  if (g.b_bytes) {
    multiply(g, g.a_bytes, g.b_bytes);
  } else {
    multiply(g, g.a, g.b);
  }
}

// ---- operations between products ----

#include "runtime/quantize_body.h"

template <typename T>
static void normalize(const float* x, int64_t ldx, int64_t rows, int64_t width, float eps, T* out,
                      int64_t ldo) {
  const int64_t whole = width / kLanes * kLanes;
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * ldx;
    T* to = out + r * ldo;
    float mean = 0, factor = 0;
    moments(from, width, eps, mean, factor);
    for (int64_t j = 0; j < whole; j += kLanes) store_as(to + j, (load(from + j) - mean) * factor);
    for (int64_t j = whole; j < width; ++j) set_float(to + j, (from[j] - mean) * factor);
    for (int64_t j = width; j < ldo; ++j) set_float(to + j, 0.0f);
  }
}

template <typename T>
static void softmax(const float* scores, int64_t lds, int64_t rows, int64_t keys, const float* bias,
                    int64_t ldb, T* p, int64_t ldp, float* inverse_sums) {
  const int64_t whole = keys / kLanes * kLanes;
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = scores + r * lds;
    const float* more = bias ? bias + r * ldb : nullptr;
    T* to = p + r * ldp;
    Vf best = all(-3.0e38f);
    for (int64_t j = 0; j < whole; j += kLanes)
      best = larger(best, more ? load(from + j) + load(more + j) : load(from + j));
    float top = largest_of(best);
    for (int64_t j = whole; j < keys; ++j) {
      const float s = from[j] + (more ? more[j] : 0.0f);
      top = s > top ? s : top;
    }
    Vf sums = {};
    for (int64_t j = 0; j < whole; j += kLanes) {
      const Vf s = more ? load(from + j) + load(more + j) : load(from + j);
      const Vf e = exp2(s - top);
      sums += e;
      store_as(to + j, e);
    }
    float sum = sum_of(sums);
    if (whole < keys) {
      Vf rest = all(-1.0e30f);
      for (int64_t j = whole; j < keys; ++j) rest[j - whole] = from[j] + (more ? more[j] : 0.0f) - top;
      const Vf e = exp2(rest);
      for (int64_t j = whole; j < keys; ++j) {
        sum += e[j - whole];
        set_float(to + j, e[j - whole]);
      }
    }
    for (int64_t j = keys; j < ldp; ++j) set_float(to + j, 0.0f);
    // NaN scores (from an image with NaN pixels) must give NaN, although no comparison detects them.
    inverse_sums[r] = 1.0f / sum;
  }
}

template <typename T>
static void convert(const float* x, int64_t ldx, int64_t rows, int64_t width, T* out, int64_t ldo) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * ldx;
    T* to = out + r * ldo;
    int64_t j = 0;
    for (; j + kLanes <= width; j += kLanes) store_as(to + j, load(from + j));
    for (; j < width; ++j) set_float(to + j, from[j]);
    for (; j < ldo; ++j) set_float(to + j, 0.0f);
  }
}

template <typename T>
static void pack_transposed(const T* m, int64_t ldm, int64_t rows, int64_t k, T* out) {
  using Word = uint32_t __attribute__((may_alias));  // a float, or two bfloat16 of one column
  constexpr int64_t kPer = sizeof(Word) / sizeof(T);
  const int64_t columns = round_up(rows, kColumnStep), words = k / kPer;
  for (int64_t j0 = 0; j0 < columns; j0 += kPanel) {
    const int64_t width = columns - j0 < kPanel ? columns - j0 : kPanel;
    Word* to = reinterpret_cast<Word*>(out + j0 * k);
    for (int64_t j = 0; j < width; ++j) {
      const bool inside = j0 + j < rows;
      const Word* from = reinterpret_cast<const Word*>(m + (j0 + j) * ldm);
      for (int64_t p = 0; p < words; ++p) to[p * width + j] = inside ? from[p] : Word{};
    }
  }
}

static void pack(const float* m, int64_t ldm, int64_t rows, int64_t columns, float* out) {
  for (int64_t j0 = 0; j0 < columns; j0 += kPanel) {
    const int64_t width = columns - j0 < kPanel ? columns - j0 : kPanel;
    float* to = out + j0 * rows;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t j = 0; j < width; j += kLanes) store(to + r * width + j, load(m + r * ldm + j0 + j));
    }
  }
}

static void pack(const Bf16* m, int64_t ldm, int64_t rows, int64_t columns, Bf16* out) {
  const int64_t k = round_up(rows, kDepthStep<Bf16>);
  for (int64_t j0 = 0; j0 < columns; j0 += kPanel) {
    const int64_t width = columns - j0 < kPanel ? columns - j0 : kPanel;
    uint32_t* to = reinterpret_cast<uint32_t*>(out + j0 * k);
    for (int64_t p = 0; p < k / 2; ++p) {
      const Bf16* first = m + 2 * p * ldm + j0;
      const bool one = 2 * p < rows, two = 2 * p + 1 < rows;
      for (int64_t j = 0; j < width; j += kLanes) {
        const Vu low =
            one ? __builtin_convertvector(*reinterpret_cast<const VhAnywhere*>(first + j), Vu) : Vu{};
        const Vu high =
            two ? __builtin_convertvector(*reinterpret_cast<const VhAnywhere*>(first + ldm + j), Vu) : Vu{};
        *reinterpret_cast<VuAnywhere*>(to + p * width + j) = low | high << 16;
      }
    }
  }
}

// ---- depthwise filters and focused linear attention ----

// Four neighbouring tokens of one line, or one token, and one register of channels. kSide: the filter's side;
// 0: any. At the edges of the map some taps are outside.
template <int N, int kSide, bool kInside, typename T>
static inline void filter_tokens(const Depthwise<T>& d, int64_t y, int64_t x, int64_t c) {
  const int64_t side = kSide > 0 ? kSide : d.side, half = side / 2;
  Vf sum[N];
#pragma GCC unroll 4
  for (int u = 0; u < N; ++u) sum[u] = load(d.bias + c);
  for (int64_t dy = 0; dy < side; ++dy) {
    const int64_t line = y + dy - half;
    if (line < 0 || line >= d.height) continue;
    const T* from = d.in + (line * d.width + x - half) * d.ldi + c;
    const float* filter = d.filter + dy * side * d.channels + c;
    if constexpr (kSide > 0 && kInside) {  // every value is loaded once
      Vf value[N + kSide - 1];
#pragma GCC unroll 8
      for (int i = 0; i < N + kSide - 1; ++i) value[i] = load_as_float(from + i * d.ldi);
#pragma GCC unroll 8
      for (int dx = 0; dx < kSide; ++dx) {
        const Vf w = load(filter + dx * d.channels);
#pragma GCC unroll 4
        for (int u = 0; u < N; ++u) sum[u] += w * value[u + dx];
      }
    } else {
      for (int64_t dx = 0; dx < side; ++dx) {
        const Vf w = load(filter + dx * d.channels);
#pragma GCC unroll 4
        for (int u = 0; u < N; ++u) {
          const int64_t column = x + u + dx - half;
          if (kInside || (column >= 0 && column < d.width))
            sum[u] += w * load_as_float(from + (u + dx) * d.ldi);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int u = 0; u < N; ++u) {
    T* to = d.out + ((y - d.begin) * d.width + x + u) * d.ldo + c;
    store_as(to,
             d.epilogue == Epilogue::kAdd ? sum[u] + load_as_float(to) : activated<T>(d.epilogue, sum[u]));
  }
}

template <int kSide, typename T>
static void filter_lines(const Depthwise<T>& d) {
  const int64_t half = d.side / 2;
  for (int64_t y = d.begin; y < d.end; ++y) {
    for (int64_t c = 0; c < d.channels; c += kLanes) {
      for (int64_t x = 0; x < d.width;) {
        if (x + 4 > d.width) {
          filter_tokens<1, 0, false>(d, y, x, c);
          x += 1;
        } else {
          if (x >= half && x + 4 + half <= d.width) {
            filter_tokens<4, kSide, true>(d, y, x, c);
          } else {
            filter_tokens<4, 0, false>(d, y, x, c);
          }
          x += 4;
        }
      }
    }
  }
}

template <typename T>
static void depthwise(const Depthwise<T>& d) {
  if (d.side == 3) {
    filter_lines<3>(d);
  } else if (d.side == 5) {
    filter_lines<5>(d);
  } else {
    filter_lines<0>(d);
  }
}

// By repeated squaring, because a file may state any power.
static inline Vf to_power(Vf x, int64_t power) {
  Vf out = power % 2 == 1 ? x : all(1.0f);
  for (power /= 2; power > 0; power /= 2) {
    x *= x;
    if (power % 2 == 1) out *= x;
  }
  return out;
}

template <typename T>
static void focus(T* x, int64_t ldx, int64_t rows, int64_t width, const float* offset, const float* factor,
                  int64_t power) {
  for (int64_t r = 0; r < rows; ++r) {
    T* row = x + r * ldx;
    const float* more = offset ? offset + r * width : nullptr;
    auto at = [&](int64_t j) {
      Vf v = load_as_float(row + j);
      if (more) v += load(more + j);
      return ((v < 0.0f ? Vf{} : v) + 1e-6f) * load(factor + j);  // NaN stays NaN
    };
    // Powers of f divided by its largest entry, because powers of f itself underflow in float32.
    Vf squares = {}, powers = {}, best = {};
    for (int64_t j = 0; j < width; j += kLanes) {
      const Vf f = at(j);
      squares += f * f;
      best = larger(best, f);
    }
    const float inverse = 1.0f / largest_of(best);
    for (int64_t j = 0; j < width; j += kLanes) {
      const Vf g = to_power(at(j) * inverse, power);
      powers += g * g;
    }
    const float ratio = __builtin_sqrtf(sum_of(squares)) / __builtin_sqrtf(sum_of(powers));
    for (int64_t j = 0; j < width; j += kLanes) store_as(row + j, to_power(at(j) * inverse, power) * ratio);
  }
}

template <typename T>
static void add_columns(const T* x, int64_t ldx, int64_t rows, int64_t width, float* sums) {
  for (int64_t j = 0; j < width; j += kLanes) {
    Vf sum = load(sums + j);
    for (int64_t r = 0; r < rows; ++r) sum += load_as_float(x + r * ldx + j);
    store(sums + j, sum);
  }
}

template <typename T>
static void inverse_dots(const T* x, int64_t ldx, int64_t rows, int64_t width, const float* vector,
                         float offset, float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    Vf sum = {};
    for (int64_t j = 0; j < width; j += kLanes) sum += load_as_float(x + r * ldx + j) * load(vector + j);
    out[r] = 1.0f / (sum_of(sum) + offset);
  }
}

template <typename T>
static void transpose(const T* x, int64_t ldx, int64_t rows, int64_t columns, T* out, int64_t ldo) {
  constexpr int64_t kSide = 16;  // as many cache lines as can be held at once
  for (int64_t r0 = 0; r0 < rows; r0 += kSide) {
    const int64_t count = rows - r0 < kSide ? rows - r0 : kSide;
    for (int64_t c = 0; c < columns; ++c) {
      const T* from = x + r0 * ldx + c;
      T* to = out + c * ldo + r0;
      for (int64_t i = 0; i < count; ++i) to[i] = from[i * ldx];
    }
  }
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = rows; r < ldo; ++r) out[c * ldo + r] = T{};
  }
}

template <typename T>
static void blend(const T* a, const T* b, float t, int64_t width, T* out) {
  for (int64_t j = 0; j < width; j += kLanes) {
    const Vf from = load_as_float(a + j);
    store_as(out + j, from + t * (load_as_float(b + j) - from));
  }
}

#include "runtime/peak_loop_body.h"

// pack has one overload per type, which only an argument can select.
template <typename T>
static constexpr KernelSet<T> all_kernels(void (*pack_rows)(const T*, int64_t, int64_t, int64_t, T*)) {
  return {gemm<T>,        normalize<T>,       quantize<float>, quantize<T>,  softmax<T>,
          convert<T>,     pack_transposed<T>, pack_rows,       depthwise<T>, focus<T>,
          add_columns<T>, inverse_dots<T>,    transpose<T>,    blend<T>,     peak_loop<T>};
}

// A compile-time constant: code that runs at start-up would use this instruction set on every machine.
static constexpr Kernels kKernels = {all_kernels<float>(pack), all_kernels<Bf16>(pack), peak_loop_bytes};
