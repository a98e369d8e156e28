#include "runtime/dot_bytes.h"
#include "runtime/kernels.h"

namespace vitrim::runtime {
namespace {

#define VITRIM_LANES 16
#define VITRIM_VECTORS 4
#include "runtime/kernels_body.h"

}  // namespace

const Kernels& avx512_vnni_kernels() { return kKernels; }

}  // namespace vitrim::runtime
