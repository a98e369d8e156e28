// The kernels of AVX-VNNI with the same instruction as AVX-512 machines encode it, so that those can test
// them.

#if defined(__x86_64__)

#include "runtime/kernels_vnni256.h"

#include <immintrin.h>

#include "runtime/kernels.h"

namespace vitrim::runtime {
namespace {

#define VITRIM_LANES 8
#define VITRIM_VECTORS 2
#define VITRIM_DOT_BYTES(sum, a, b)                                                                      \
  reinterpret_cast<Vi>(_mm256_dpbusd_epi32(reinterpret_cast<__m256i>(sum), reinterpret_cast<__m256i>(a), \
                                           reinterpret_cast<__m256i>(b)))
#include "runtime/kernels_body.h"

}  // namespace
}  // namespace vitrim::runtime

namespace vitrim::test {

const runtime::Kernels& vnni256_kernels() { return runtime::kKernels; }

}  // namespace vitrim::test

#endif
