// Products of bytes, and the conversion of sums to results. Included by kernels_body.h inside its namespace.

// sum += the products of four unsigned bytes a with four signed ones b, exact.
#ifdef VITRIM_DOT_BYTES
static inline Vi add_dots(Vi sum, Vu a, Vu b) { return VITRIM_DOT_BYTES(sum, a, b); }
#else
typedef int16_t Vs __attribute__((vector_size(kLanes * 4)));
static inline Vi pairs(Vs a, Vs b) {
#ifdef VITRIM_PAIRS
  return reinterpret_cast<Vi>(VITRIM_PAIRS(a, b));
#else
  const Vi x = reinterpret_cast<Vi>(a), y = reinterpret_cast<Vi>(b);
  return (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}
// The bytes are converted to int16, because the sum of two products would overflow the 16-bit sums of the
// instruction that multiplies bytes.
static inline Vi add_dots(Vi sum, Vu a, Vu b) {
  const Vs even = reinterpret_cast<Vs>(a & 0x00ff00ffu), odd = reinterpret_cast<Vs>(a >> 8 & 0x00ff00ffu);
  const Vs signed_b = reinterpret_cast<Vs>(b);
  return sum + pairs(even, signed_b << 8 >> 8) + pairs(odd, signed_b >> 8);
}
#endif

template <int R, int N>
static inline void add_products(Vi (&sum)[R][N], const Byte* a, int64_t lda, const Byte* b) {
  Vu row[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) row[j] = *reinterpret_cast<const VuBytes*>(b + 4 * j * kLanes);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    uint32_t four;
    __builtin_memcpy(&four, a + r * lda, 4);
    const Vu x = all_words(four);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) sum[r][j] = add_dots(sum[r][j], x, row[j]);
  }
}

// A row of a product's sums as float32, with the bias: the sums are of floats or of bytes.
template <bool kBytes, typename T>
struct Sums {
  const float* row;
  const float* bias;
  const float* b_factor;
  const int32_t* shift;
  float factor;

  // Row r0 + r of the result; its sums are in row r of c.
  Sums(const Gemm<T>& g, const float* c, int64_t r0, int64_t r, int64_t j0)
      : row(c + r * kPanel),
        bias(g.bias ? g.bias + j0 : nullptr),
        b_factor(kBytes ? g.b_factor + j0 : nullptr),
        shift(kBytes ? g.b_shift + j0 : nullptr),
        factor(kBytes ? g.a_factor[r0 + r] : 1.0f) {}
  inline Vf at(int64_t j) const {
    Vf v;
    if constexpr (kBytes) {
      const Vi sum =
          *reinterpret_cast<const ViAnywhere*>(row + j) - *reinterpret_cast<const ViAnywhere*>(shift + j);
      v = __builtin_convertvector(sum, Vf) * factor * load(b_factor + j);
    } else {
      v = load(row + j);
    }
    return bias ? v + load(bias + j) : v;
  }
};
