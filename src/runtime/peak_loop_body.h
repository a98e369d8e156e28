// The machine's peak: products on operands in registers. Included by kernels_body.h inside its namespace.

// Operands that are opaque to the compiler, so that it can neither fold nor drop the products.
static float volatile kOperand = 1.0f;
static float volatile sink;

template <typename T>
static int64_t peak_loop(int64_t repeats) {
  // Every sum starts from a separate value, as far as the compiler knows; otherwise it would detect that all
  // rows compute the same and compute only one.
  Vf sum[kTileRows][kVectors];
  for (int r = 0; r < kTileRows; ++r) {
    for (int j = 0; j < kVectors; ++j) sum[r][j] = all(kOperand);
  }
  const Vf x = all(kOperand);
  Vf y[kVectors];
  for (int j = 0; j < kVectors; ++j) y[j] = all(kOperand * 1e-3f);
#ifdef VITRIM_DOT
  constexpr bool kPairs = sizeof(T) == 2;
#else
  constexpr bool kPairs = false;
#endif
  for (int64_t i = 0; i < repeats; ++i) {
#pragma GCC unroll 8
    for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
#ifdef VITRIM_DOT
        if constexpr (kPairs) {
          sum[r][j] = VITRIM_DOT(sum[r][j], as_words(x), as_words(y[j]));
        } else {
          sum[r][j] += x * y[j];
        }
#else
        sum[r][j] += x * y[j];
#endif
      }
    }
  }
  Vf total = {};
  for (int r = 0; r < kTileRows; ++r) {
    for (int j = 0; j < kVectors; ++j) total += sum[r][j];
  }
  sink = sum_of(total);
  return kTileRows * kTileColumns * (kPairs ? 2 : 1);
}

static int64_t peak_loop_bytes(int64_t repeats) {
  // Sums start again from 1 before they could exceed an int32: a step adds at most 4 x 255 x 128 to each.
  constexpr int64_t kPart = 8192;
  const Vu x = all_words(static_cast<uint32_t>(kOperand));
  Vu y[kVectors];
  for (int j = 0; j < kVectors; ++j) y[j] = as_words(all(kOperand * 1e-3f));
  Vu total = {};
  for (int64_t begin = 0; begin < repeats; begin += kPart) {
    Vi sum[kTileRows][kVectors];
    for (int r = 0; r < kTileRows; ++r) {
      for (int j = 0; j < kVectors; ++j)
        sum[r][j] = reinterpret_cast<Vi>(all_words(static_cast<uint32_t>(kOperand)));
    }
    const int64_t end = repeats - begin < kPart ? repeats : begin + kPart;
    for (int64_t i = begin; i < end; ++i) {
#pragma GCC unroll 8
      for (int r = 0; r < kTileRows; ++r) {
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sum[r][j] = add_dots(sum[r][j], x, y[j]);
      }
    }
    for (int r = 0; r < kTileRows; ++r) {
      for (int j = 0; j < kVectors; ++j) total += reinterpret_cast<Vu>(sum[r][j]);
    }
  }
  sink = sum_of(__builtin_convertvector(total, Vf));
  return kTileRows * kTileColumns * 4;
}
