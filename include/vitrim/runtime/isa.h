#pragma once
// Which instruction sets this machine has, and which of them vitrim uses.

#include <string>
#include <vector>

namespace vitrim::runtime {

/// Later ones are faster.
enum class Isa {
  kPlain,       ///< what every x86-64 has (SSE2), or any other machine
  kAvx2,        ///< AVX2 and FMA
  kAvxVnni,     ///< AVX2 and FMA with dot products of bytes (AVX-VNNI)
  kAvx512,      ///< AVX-512 F, BW, DQ, VL
  kAvx512Vnni,  ///< with dot products of bytes (VNNI)
  kAvx512Bf16,  ///< with those of bfloat16 too
  kAmx,         ///< with tiles of bfloat16 and of bytes
};

/// "plain", "avx2", "avx_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx".
std::string to_string(Isa isa);
/// All that this machine can run, slowest first.
std::vector<Isa> available_isas();
/// The fastest one, or what VITRIM_FORCE_ISA names. Throws vitrim::Error where it names none, or one that
/// this machine lacks.
Isa chosen_isa();
/// Tells oneDNN, MKL and LibTorch to keep to VITRIM_FORCE_ISA too, where it is set (limits that are set
/// already stay). They read that once, so this has to come before their first use.
void cap_libraries();

}  // namespace vitrim::runtime
