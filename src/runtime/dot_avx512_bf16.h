// VITRIM_DOT and VITRIM_TO_BF16 for kernels_body.h, with AVX-512's bfloat16 instructions.

#include <immintrin.h>

#define VITRIM_DOT(sum, a, b)                                                                         \
  reinterpret_cast<Vf>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a), \
                                        reinterpret_cast<__m512bh>(b)))
#define VITRIM_TO_BF16(v) reinterpret_cast<Vh>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(v)))
