// Products of bytes and what makes bytes, included by kernels_body.h inside its namespace.

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
// As int16: two products of bytes would not fit the 16-bit sums of the instruction that multiplies bytes.
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

// Sums of bytes become float32 where they stand.
template <typename T>
static inline void scale_sums(const Gemm<T>& g, float* c, int64_t r0, int64_t rows, int64_t j0,
                              int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = c + r * kPanel;
    const float factor = g.a_factor[r0 + r];
    for (int64_t j = 0; j < width; j += kLanes) {
      const Vi sum = *reinterpret_cast<const ViAnywhere*>(row + j) -
                     *reinterpret_cast<const ViAnywhere*>(g.b_shift + j0 + j);
      store(row + j, __builtin_convertvector(sum, Vf) * factor * load(g.b_factor + j0 + j));
    }
  }
}

// Keeps what is before it from being fused with what is after it: x_q is the same on every machine.
static inline Vf rounded_product(Vf a, float b) {
  Vf product = a * b;
#if defined(__x86_64__)
  __asm__("" : "+v"(product));
#endif
  return product;
}

template <typename T>
static void quantize(const Quantize<T>& q) {
  const int64_t whole = q.width / kLanes * kLanes, rest = q.width - whole;
  for (int64_t r = 0; r < q.rows; ++r) {
    const T* from = q.x + r * q.ldx;
    float mean = 0, factor = 1;
    if (q.gain) {
      Vf sums = {};
      for (int64_t j = 0; j < whole; j += kLanes) sums += load_as_float(from + j);
      float sum = sum_of(sums);
      for (int64_t j = whole; j < q.width; ++j) sum += to_float(from[j]);
      mean = sum / static_cast<float>(q.width);
      Vf squares = {};
      for (int64_t j = 0; j < whole; j += kLanes) {
        const Vf d = load_as_float(from + j) - mean;
        squares += d * d;
      }
      float square = sum_of(squares);
      for (int64_t j = whole; j < q.width; ++j)
        square += (to_float(from[j]) - mean) * (to_float(from[j]) - mean);
      factor = 1.0f / __builtin_sqrtf(square / static_cast<float>(q.width) + q.eps);
    }
    auto value = [&](int64_t j) {
      const Vf v = load_as_float(from + j);
      return q.gain ? (v - mean) * factor * load(q.gain + j) + load(q.shift + j) : v;
    };
    Vf last = {};
    for (int64_t i = 0; i < rest; ++i) {
      const float v = to_float(from[whole + i]);
      last[i] = q.gain ? (v - mean) * factor * q.gain[whole + i] + q.shift[whole + i] : v;
    }
    // Magnitudes compare as their bits do, and NaN is above all.
    Vi best = reinterpret_cast<Vi>(as_words(last) & 0x7fffffffu);
    for (int64_t j = 0; j < whole; j += kLanes) {
      const Vi magnitude = reinterpret_cast<Vi>(as_words(value(j)) & 0x7fffffffu);
      best = magnitude > best ? magnitude : best;
    }
    int32_t top = 0;
    for (int i = 0; i < kLanes; ++i) top = best[i] > top ? best[i] : top;
    float most;
    __builtin_memcpy(&most, &top, 4);
    q.factors[r] = most / 127.0f;
    const float steps = most > 0.0f ? 127.0f / most : 0.0f;
    Byte* to = q.out + r * q.ldo;
    // Adding 1.5 * 2^23 rounds to whole numbers, which then stand in the low bits.
    auto bytes = [&](Vf v) {
      const Vu bits = as_words(rounded_product(v, steps) + 12582912.0f) + 128u;
      return __builtin_convertvector(bits, Vb);
    };
    for (int64_t j = 0; j < whole; j += kLanes) *reinterpret_cast<VbAnywhere*>(to + j) = bytes(value(j));
    const Vb last_bytes = bytes(last);
    for (int64_t i = 0; i < rest; ++i) to[whole + i].bits = last_bytes[i];
    for (int64_t j = q.width; j < q.padded; ++j) to[j].bits = 128;
  }
}
