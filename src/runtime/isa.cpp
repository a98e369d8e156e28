#include "vitrim/runtime/isa.h"

#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "vitrim/core/error.h"
#include "vitrim/core/suggest.h"

namespace vitrim::runtime {

namespace {

struct Known {
  Isa isa;
  const char* name;
  const char* onednn;  // value for ONEDNN_MAX_CPU_ISA
  const char* mkl;     // value for MKL_ENABLE_INSTRUCTIONS
  const char* torch;   // value for ATEN_CPU_CAPABILITY
};

const std::vector<Known>& all() {
  static const std::vector<Known> known = {
      {Isa::kPlain, "plain", "SSE41", "SSE4_2", "default"},
      {Isa::kAvx2, "avx2", "AVX2", "AVX2", "avx2"},
      {Isa::kAvxVnni, "avx_vnni", "AVX2_VNNI", "AVX2", "avx2"},
      {Isa::kAvx512, "avx512", "AVX512_CORE", "AVX512", "avx512"},
      {Isa::kAvx512Vnni, "avx512_vnni", "AVX512_CORE_VNNI", "AVX512", "avx512"},
      {Isa::kAvx512Bf16, "avx512_bf16", "AVX512_CORE_BF16", "AVX512", "avx512"},
      {Isa::kAmx, "amx", "AVX512_CORE_AMX", "AVX512_E4", "avx512"}};
  return known;
}

#if defined(__x86_64__)

// Only processes that requested tiles from the kernel may use them.
bool may_use_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTiles = 1u << 22 | 1u << 24 | 1u << 25;  // of bfloat16, tiles at all, of bytes
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTiles) != kTiles) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// Features in the second list of extensions, which GCC does not know.
bool has_extension(unsigned bit) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << bit)) != 0;
}
constexpr unsigned kAvxVnniBit = 4, kAvx512Bf16Bit = 5;

bool has(Isa isa) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  // CPUs have had dot products of bytes longer than those of bfloat16.
  const bool bf16 = vnni && has_extension(kAvx512Bf16Bit);
  switch (isa) {
    case Isa::kPlain:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return avx2 && has_extension(kAvxVnniBit);
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Vnni:
      return vnni;
    case Isa::kAvx512Bf16:
      return bf16;
    case Isa::kAmx:
      return bf16 && may_use_tiles();
  }
  return false;
}

#else

bool has(Isa isa) { return isa == Isa::kPlain; }

#endif

const Known* forced() {
  const char* text = std::getenv("VITRIM_FORCE_ISA");
  if (text == nullptr || *text == '\0') return nullptr;
  std::vector<std::string> names;
  for (const Known& known : all()) {
    if (text == std::string(known.name)) return &known;
    names.push_back(known.name);
  }
  throw Error("VITRIM_FORCE_ISA: there is no instruction set '" + std::string(text) + "'; did you mean '" +
              nearest(text, names) + "'?");
}

}  // namespace

std::string to_string(Isa isa) {
  for (const Known& known : all()) {
    if (known.isa == isa) return known.name;
  }
  return "unknown";
}

std::vector<Isa> available_isas() {
  static const std::vector<Isa> found = [] {
    std::vector<Isa> out;
    for (const Known& known : all()) {
      if (has(known.isa)) out.push_back(known.isa);
    }
    return out;
  }();
  return found;
}

Isa chosen_isa() {
  const std::vector<Isa> available = available_isas();
  const Known* wanted = forced();
  if (wanted == nullptr) return available.back();
  for (const Isa isa : available) {
    if (isa == wanted->isa) return isa;
  }
  throw Error("VITRIM_FORCE_ISA requests " + std::string(wanted->name) +
              ", which this machine does not have; its best is " + to_string(available.back()));
}

void cap_libraries() {
  const Known* wanted = forced();
  if (wanted == nullptr) return;
  setenv("ONEDNN_MAX_CPU_ISA", wanted->onednn, 0);
  setenv("MKL_ENABLE_INSTRUCTIONS", wanted->mkl, 0);
  setenv("ATEN_CPU_CAPABILITY", wanted->torch, 0);
}

}  // namespace vitrim::runtime
