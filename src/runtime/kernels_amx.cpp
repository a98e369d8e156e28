#include "runtime/dot_avx512_bf16.h"
#include "runtime/dot_bytes.h"
#include "runtime/kernels.h"

namespace vitrim::runtime {
namespace {

#define VITRIM_LANES 16
#define VITRIM_VECTORS 4
// clang-format off: the second header uses definitions of the first
#include "runtime/kernels_body.h"
#include "runtime/gemm_tiles.h"
// clang-format on

// Tiles 0 to 3 contain sums, 4 and 5 the left operand, 6 and 7 the right operand.
struct HardwareTiles {
  static void configure() {
    struct alignas(64) Config {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    };
    static const Config config;
    _tile_loadconfig(&config);
  }
  static void release() { _tile_release(); }
  static void zero() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  // GCC does not know that these instructions access memory. The operands come through the arguments of a
  // function pointer, so they are written by then.
  static void load_a0(const void* from, int64_t stride) { _tile_loadd(4, from, stride); }
  static void load_a1(const void* from, int64_t stride) { _tile_loadd(5, from, stride); }
  static void load_b0(const void* from, int64_t stride) { _tile_loadd(6, from, stride); }
  static void load_b1(const void* from, int64_t stride) { _tile_loadd(7, from, stride); }
  template <typename T>
  static void dot00() {
    if constexpr (sizeof(T) == 1) {
      _tile_dpbusd(0, 4, 6);
    } else {
      _tile_dpbf16ps(0, 4, 6);
    }
  }
  template <typename T>
  static void dot01() {
    if constexpr (sizeof(T) == 1) {
      _tile_dpbusd(1, 4, 7);
    } else {
      _tile_dpbf16ps(1, 4, 7);
    }
  }
  template <typename T>
  static void dot10() {
    if constexpr (sizeof(T) == 1) {
      _tile_dpbusd(2, 5, 6);
    } else {
      _tile_dpbf16ps(2, 5, 6);
    }
  }
  template <typename T>
  static void dot11() {
    if constexpr (sizeof(T) == 1) {
      _tile_dpbusd(3, 5, 7);
    } else {
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  static void store00(float* to) { _tile_stored(0, to, kPanel * 4); }
  static void store01(float* to) { _tile_stored(1, to, kPanel * 4); }
  static void store10(float* to) { _tile_stored(2, to, kPanel * 4); }
  static void store11(float* to) { _tile_stored(3, to, kPanel * 4); }
};

// With few rows, most of a tile would be empty.
template <typename Tiles, typename Out>
static void gemm_by_rows(const Gemm<Out>& g) {
  if (g.rows < 4) {
    gemm(g);
  } else {
    gemm_tiles<Tiles>(g);
  }
}

template <typename Tiles>
static Kernels with_tiles() {
  Kernels out = kKernels;
  out.f32.gemm = gemm_by_rows<Tiles>;
  out.bf16.gemm = gemm_by_rows<Tiles>;
  out.bf16.peak_loop = peak_loop_tiles<Tiles, Bf16>;
  out.peak_loop_bytes = peak_loop_tiles<Tiles, Byte>;
  return out;
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = with_tiles<HardwareTiles>();
  return kernels;
}

}  // namespace vitrim::runtime
