#include "runtime/dot_bytes.h"
#include "runtime/kernels.h"

namespace vitrim::runtime {
namespace {

#define VITRIM_LANES 4
#define VITRIM_VECTORS 2
// clang-format off: the second header uses definitions of the first
#include "runtime/kernels_body.h"
#include "runtime/gemm_tiles.h"
// clang-format on

}  // namespace

const Kernels& emulated_tile_kernels() {
  static const Kernels kernels = [] {
    Kernels out = kKernels;
    out.f32.gemm = gemm_tiles<EmulatedTiles>;
    out.bf16.gemm = gemm_tiles<EmulatedTiles>;
    out.bf16.peak_loop = peak_loop_tiles<EmulatedTiles, Bf16>;
    out.peak_loop_bytes = peak_loop_tiles<EmulatedTiles, Byte>;
    return out;
  }();
  return kernels;
}

}  // namespace vitrim::runtime
