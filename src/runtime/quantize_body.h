// The moments of a row, and the conversion of rows of values to bytes. Included by kernels_body.h inside its
// namespace.

// Four sums at a time, because a single one would wait for each addition.
template <typename Value>
static inline float sum_over(int64_t whole, Value&& value) {
  Vf sums[4] = {};
  int64_t j = 0;
  for (; j + 4 * kLanes <= whole; j += 4 * kLanes) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] += value(j + i * kLanes);
  }
  for (; j < whole; j += kLanes) sums[0] += value(j);
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// The mean of a row, and the reciprocal of its standard deviation.
template <typename T>
static inline void moments(const T* x, int64_t width, float eps, float& mean, float& factor) {
  const int64_t whole = width / kLanes * kLanes;
  float sum = sum_over(whole, [&](int64_t j) { return load_as_float(x + j); });
  for (int64_t j = whole; j < width; ++j) sum += to_float(x[j]);
  const float middle = sum / static_cast<float>(width);
  float square = sum_over(whole, [&](int64_t j) {
    const Vf d = load_as_float(x + j) - middle;
    return d * d;
  });
  for (int64_t j = whole; j < width; ++j) square += (to_float(x[j]) - middle) * (to_float(x[j]) - middle);
  mean = middle;
  factor = 1.0f / __builtin_sqrtf(square / static_cast<float>(width) + eps);
}

// Prevents the compiler from fusing the operations before and after it, so that x_q is the same on every
// machine.
static inline Vf rounded_product(Vf a, float b) {
  Vf product = a * b;
#if defined(__x86_64__)
  __asm__("" : "+v"(product));
#endif
  return product;
}

typedef int32_t FourWords __attribute__((vector_size(16), may_alias));
static inline int32_t largest_of(Vi v) {
  const FourWords* part = reinterpret_cast<const FourWords*>(&v);
  FourWords four = part[0];
#pragma GCC unroll 4
  for (int i = 1; i < kLanes / 4; ++i) four = four > part[i] ? four : part[i];
  const int32_t a = four[0] > four[2] ? four[0] : four[2], b = four[1] > four[3] ? four[1] : four[3];
  return a > b ? a : b;
}

// The values of a row that a quantised layer rounds.
enum class Before { kNothing, kGain, kNorm };

template <Before kBefore, typename T>
static inline void quantize_rows(const Quantize<T>& q) {
  const int64_t whole = q.width / kLanes * kLanes, rest = q.width - whole;
  for (int64_t r = 0; r < q.rows; ++r) {
    const T* from = q.x + r * q.ldx;
    float mean = 0, factor = 1;
    if constexpr (kBefore == Before::kNorm) moments(from, q.width, q.eps, mean, factor);
    auto value = [&](int64_t j) {
      const Vf v = load_as_float(from + j);
      if constexpr (kBefore == Before::kNorm)
        return (v - mean) * factor * load(q.gain + j) + load(q.shift + j);
      if constexpr (kBefore == Before::kGain) return v * load(q.gain + j);
      return v;
    };
    Vf last = {};
    for (int64_t i = 0; i < rest; ++i) {
      const float v = to_float(from[whole + i]);
      last[i] = v;
      if constexpr (kBefore == Before::kNorm)
        last[i] = (v - mean) * factor * q.gain[whole + i] + q.shift[whole + i];
      if constexpr (kBefore == Before::kGain) last[i] = v * q.gain[whole + i];
    }
    // Magnitudes compare like their bits, and NaN is above all of them.
    Vi best = reinterpret_cast<Vi>(as_words(last) & 0x7fffffffu);
    for (int64_t j = 0; j < whole; j += kLanes) {
      const Vi magnitude = reinterpret_cast<Vi>(as_words(value(j)) & 0x7fffffffu);
      best = magnitude > best ? magnitude : best;
    }
    const int32_t top = largest_of(best);
    float most;
    __builtin_memcpy(&most, &top, 4);
    q.factors[r] = most / 127.0f;
    const float steps = most > 0.0f ? 127.0f / most : 0.0f;
    Byte* to = q.out + r * q.ldo;
    // Adding 1.5 * 2^23 rounds to integers, which are then in the low bits.
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

template <typename T>
static void quantize(const Quantize<T>& q) {
  if (q.shift) return quantize_rows<Before::kNorm>(q);
  if (q.gain) return quantize_rows<Before::kGain>(q);
  quantize_rows<Before::kNothing>(q);
}
