// Exponentials and activations, included by kernels_body.h inside its namespace.

// 2^x for x <= 126, relative error 2e-7: the integer part becomes the exponent, the rest goes through the
// series of exp. Below 2^-126: 0.
static inline Vf exp2(Vf x) {
  const Vf magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to integers
  const Vf floor_at = all(-126.0f);
  const Vi tiny = x < floor_at;
  const Vf clamped = tiny ? floor_at : x;
  const Vf shifted = clamped + magic;
  const Vf f = clamped - (shifted - magic);
  Vf p = all(1.5403530e-4f);
  p = p * f + 1.3333558e-3f;
  p = p * f + 9.6181291e-3f;
  p = p * f + 5.5504109e-2f;
  p = p * f + 2.4022651e-1f;
  p = p * f + 6.9314718e-1f;
  p = p * f + 1.0f;
  const Vu exponent = (as_words(shifted) - 0x4b400000u) << 23;
  const Vf scaled = as_float(as_words(p) + exponent);
  return tiny ? Vf{} : scaled;
}

// x Phi(x) with Abramowitz and Stegun's 7.1.26 for erf (absolute error 1.5e-7).
static inline Vf gelu(Vf x) {
  const Vf magnitude = as_float(as_words(x) & 0x7fffffffu);
  const Vf z = magnitude * 0.70710678f;
  const Vf t = 1.0f / (1.0f + 0.3275911f * z);
  Vf p = all(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vf tail = p * t * exp2(z * z * -1.44269504f);  // 1 - erf(z)
  const Vf half = 0.5f * magnitude * tail;             // |x| (1 - Phi(|x|))
  return x > 0.0f ? x - half : -half;
}

// The same for results in bfloat16, absolute error 7.6e-5: Phi(x) - 1/2 = x P(x^2) up to |x| = 4.2, constant
// beyond. P is the polynomial in v = 2 x^2 / 4.2^2 - 1 with the smallest maximum error in x Phi(x)
// (reweighted least squares on 4001 points), with Phi(4.2) = 1. N registers are processed step by step
// together, because each alone is a long chain of dependent operations, and a CPU looks only a limited number
// of instructions ahead.
template <int N>
static inline void gelu_short(Vf (&x)[N]) {
  constexpr float kSeries[] = {0.011175743304f, -0.016467198730f, 0.023777732626f, -0.037926182151f,
                               0.055948711932f, -0.081571474671f, 0.167854562402f};
  Vf magnitude[N], t[N], v[N], p[N];
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) magnitude[i] = as_float(as_words(x[i]) & 0x7fffffffu);
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) t[i] = magnitude[i] > 4.2f ? all(4.2f) : magnitude[i];  // NaN stays NaN
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) v[i] = t[i] * t[i] * 0.113378685f - 1.0f;
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) p[i] = all(-0.003744268324f);
#pragma GCC unroll 7
  for (const float term : kSeries) {
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) p[i] = p[i] * v[i] + term;
  }
#pragma GCC unroll 4
  for (int i = 0; i < N; ++i) x[i] = 0.5f * x[i] + magnitude[i] * (t[i] * p[i]);
}

// 1 / (1 + exp(-x)).
static inline Vf sigmoid(Vf x) {
  const Vf magnitude = as_float(as_words(x) & 0x7fffffffu);
  const Vf e = exp2(magnitude * -1.44269504f);
  return (x < 0.0f ? e : all(1.0f)) / (1.0f + e);
}

// T: the type of the result.
template <typename T>
static inline Vf activated(Epilogue epilogue, Vf x) {
  switch (epilogue) {
    case Epilogue::kGelu:
      if constexpr (sizeof(T) == 2) {
        Vf one[1] = {x};
        gelu_short(one);
        return one[0];
      } else {
        return gelu(x);
      }
    case Epilogue::kGeluTanh:
      return x * sigmoid(x * (1.59576912f +
                              0.07135482f * x *
                                  x));  // (1 + tanh y) / 2 = sigmoid(2 y), y = sqrt(2/pi) (x + 0.044715 x^3)
    case Epilogue::kQuickGelu:
      return x * sigmoid(x * 1.702f);
    case Epilogue::kRelu:
      return x < 0.0f ? Vf{} : x;  // NaN stays NaN
    case Epilogue::kSilu:
      return x * sigmoid(x);
    default:
      return x;
  }
}
