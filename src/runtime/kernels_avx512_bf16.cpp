#include <immintrin.h>

#include "runtime/kernels.h"

namespace vitrim::runtime {
namespace {

#define VITRIM_LANES 16
#define VITRIM_VECTORS 4
#define VITRIM_DOT(sum, a, b) \
  reinterpret_cast<Vf>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)))
#include "runtime/kernels_body.h"

}  // namespace

const Kernels& avx512_bf16_kernels() { return kKernels; }

}  // namespace vitrim::runtime
