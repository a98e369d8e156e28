#include "runtime/kernels.h"

#include <stdexcept>

#include "vitrim/runtime/isa.h"

namespace vitrim::runtime {

const Kernels& kernels_of(Isa isa) {
  switch (isa) {
    case Isa::kPlain:
      return plain_kernels();
#if defined(__x86_64__)
    case Isa::kAvx2:
      return avx2_kernels();
    case Isa::kAvxVnni:
      return avx_vnni_kernels();
    case Isa::kAvx512:
      return avx512_kernels();
    case Isa::kAvx512Vnni:
      return avx512_vnni_kernels();
    case Isa::kAvx512Bf16:
      return avx512_bf16_kernels();
    case Isa::kAmx:
      return amx_kernels();
#else
    default:
      break;
#endif
  }
  throw std::invalid_argument("[runtime::kernels_of] this machine has no such instruction set");
}

}  // namespace vitrim::runtime
