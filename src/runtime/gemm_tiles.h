// Products of bfloat16 and of bytes on 16x16 tiles, included after kernels_body.h by kernels_amx.cpp, once
// with the hardware's tiles and once with emulated tiles, so that everything except the six instructions can
// be tested on any machine.
//
// A step computes 32 rows and 32 columns: two tiles of each operand, four tiles of sums. Rows past the end
// are computed but not used, so left operands are allocated in multiples of 32 rows.

template <typename Tiles, typename T, typename Out>
static void multiply_tiles(const Gemm<Out>& g, const T* left, const T* right) {
  constexpr int64_t kSize = sizeof(T), kPer = kPerWord<T>;
  Tiles::configure();
  for (int64_t j0 = 0; j0 < g.columns; j0 += kPanel) {
    const int64_t width = g.columns - j0 < kPanel ? g.columns - j0 : kPanel;
    const T* panel = right + j0 * g.k;
    for (int64_t r0 = 0; r0 < g.rows; r0 += 32) {
      const int64_t rows = g.rows - r0 < 32 ? g.rows - r0 : 32;
      const T* a = left + r0 * g.lda;
      for (int64_t j = 0; j < width; j += 32) {
        float* c = g.scratch + j;
        const bool wide = j + 32 <= width, tall = rows > 16;
        Tiles::zero();
        for (int64_t k = 0; k < g.k; k += 16 * kPer) {
          const T* b = panel + k * width + kPer * j;
          Tiles::load_a0(a + k, g.lda * kSize);
          Tiles::load_b0(b, width * 4);
          Tiles::template dot00<T>();
          if (wide) {
            Tiles::load_b1(b + 16 * kPer, width * 4);
            Tiles::template dot01<T>();
          }
          if (tall) {
            Tiles::load_a1(a + 16 * g.lda + k, g.lda * kSize);
            Tiles::template dot10<T>();
            if (wide) Tiles::template dot11<T>();
          }
        }
        Tiles::store00(c);
        if (wide) Tiles::store01(c + 16);
        if (tall) {
          Tiles::store10(c + 16 * kPanel);
          if (wide) Tiles::store11(c + 16 * kPanel + 16);
        }
      }
      write_product<sizeof(T) == 1>(g, g.scratch, r0, rows, j0, width);
    }
  }
  Tiles::release();
}

// Tiles of float32 do not exist.
template <typename Tiles, typename Out>
static void gemm_tiles(const Gemm<Out>& g) {
  if (g.b_bytes) {
    multiply_tiles<Tiles>(g, g.a_bytes, g.b_bytes);
  } else if constexpr (sizeof(Out) == 2) {
    multiply_tiles<Tiles>(g, g.a, g.b);
  } else {
    gemm(g);
  }
}

// Four products of 16 x 16 x 32 per round; for bytes the depth is 64.
template <typename Tiles, typename T>
static int64_t peak_loop_tiles(int64_t repeats) {
  alignas(64) static const uint8_t zeros[16 * 64] = {};
  Tiles::configure();
  Tiles::zero();
  Tiles::load_a0(zeros, 64);
  Tiles::load_a1(zeros, 64);
  Tiles::load_b0(zeros, 64);
  Tiles::load_b1(zeros, 64);
  for (int64_t i = 0; i < repeats; ++i) {
    Tiles::template dot00<T>();
    Tiles::template dot01<T>();
    Tiles::template dot10<T>();
    Tiles::template dot11<T>();
  }
  Tiles::release();
  return 4 * 16 * 16 * 16 * kPerWord<T>;
}

struct EmulatedTiles {
  struct Tile {
    uint32_t words[16][16];
  };
  static inline thread_local Tile a[2], b[2];
  static inline thread_local float c[2][2][16][16];  // or int32

  static void configure() {}
  static void release() {}
  static void zero() { __builtin_memset(c, 0, sizeof c); }
  static void load(Tile& tile, const void* from, int64_t stride) {
    for (int r = 0; r < 16; ++r)
      __builtin_memcpy(tile.words[r], static_cast<const char*>(from) + r * stride, 64);
  }
  static void load_a0(const void* from, int64_t stride) { load(a[0], from, stride); }
  static void load_a1(const void* from, int64_t stride) { load(a[1], from, stride); }
  static void load_b0(const void* from, int64_t stride) { load(b[0], from, stride); }
  static void load_b1(const void* from, int64_t stride) { load(b[1], from, stride); }
  static void add(float& sum, uint32_t x, uint32_t y, Bf16*) {
    const Bf16 x0{static_cast<uint16_t>(x)}, x1{static_cast<uint16_t>(x >> 16)};
    sum += to_float(x0) * to_float(Bf16{static_cast<uint16_t>(y)}) +
           to_float(x1) * to_float(Bf16{static_cast<uint16_t>(y >> 16)});
  }
  static void add(float& sum, uint32_t x, uint32_t y, Byte*) {
    int32_t total = 0;
    __builtin_memcpy(&total, &sum, 4);
    for (int shift = 0; shift < 32; shift += 8)
      total += static_cast<int32_t>(x >> shift & 255) * static_cast<int8_t>(y >> shift);
    __builtin_memcpy(&sum, &total, 4);
  }
  template <typename T>
  static void dot(int i, int j) {
    for (int r = 0; r < 16; ++r) {
      for (int p = 0; p < 16; ++p) {
        for (int n = 0; n < 16; ++n)
          add(c[i][j][r][n], a[i].words[r][p], b[j].words[p][n], static_cast<T*>(nullptr));
      }
    }
  }
  template <typename T>
  static void dot00() {
    dot<T>(0, 0);
  }
  template <typename T>
  static void dot01() {
    dot<T>(0, 1);
  }
  template <typename T>
  static void dot10() {
    dot<T>(1, 0);
  }
  template <typename T>
  static void dot11() {
    dot<T>(1, 1);
  }
  static void store(int i, int j, float* to) {
    for (int r = 0; r < 16; ++r) __builtin_memcpy(to + r * kPanel, c[i][j][r], 64);
  }
  static void store00(float* to) { store(0, 0, to); }
  static void store01(float* to) { store(0, 1, to); }
  static void store10(float* to) { store(1, 0, to); }
  static void store11(float* to) { store(1, 1, to); }
};
