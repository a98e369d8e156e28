// Products of bytes for kernels_body.h: VITRIM_DOT_BYTES with VNNI of AVX-512 or AVX, else VITRIM_PAIRS.
// Include it before the namespace, with VITRIM_LANES defined.

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512VNNI__)
#define VITRIM_DOT_BYTES(sum, a, b)                                                                      \
  reinterpret_cast<Vi>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(a), \
                                           reinterpret_cast<__m512i>(b)))
#elif defined(__AVXVNNI__)
#define VITRIM_DOT_BYTES(sum, a, b)                                                                          \
  reinterpret_cast<Vi>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sum), reinterpret_cast<__m256i>(a), \
                                               reinterpret_cast<__m256i>(b)))
#elif defined(__AVX512BW__)
#define VITRIM_PAIRS(a, b) _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b))
#elif defined(__AVX2__)
#define VITRIM_PAIRS(a, b) _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b))
#elif defined(__SSE2__)
#define VITRIM_PAIRS(a, b) _mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b))
#endif
