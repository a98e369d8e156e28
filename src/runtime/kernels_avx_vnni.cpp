#include "runtime/dot_bytes.h"
#include "runtime/kernels.h"

namespace vitrim::runtime {
namespace {

#define VITRIM_LANES 8
#define VITRIM_VECTORS 2
#include "runtime/kernels_body.h"

}  // namespace

const Kernels& avx_vnni_kernels() { return kKernels; }

}  // namespace vitrim::runtime
