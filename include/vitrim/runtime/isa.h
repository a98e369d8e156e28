#pragma once
// The instruction sets of this machine, and the one that vitrim uses.

#include <string>
#include <vector>

namespace vitrim::runtime {

/// Instruction sets, slowest first.
enum class Isa {
  kPlain,       ///< the baseline of x86-64 (SSE2), or of any other machine
  kAvx2,        ///< AVX2 and FMA
  kAvxVnni,     ///< AVX2 and FMA with dot products of bytes (AVX-VNNI)
  kAvx512,      ///< AVX-512 F, BW, DQ, VL
  kAvx512Vnni,  ///< kAvx512 with dot products of bytes (VNNI)
  kAvx512Bf16,  ///< kAvx512Vnni with dot products of bfloat16
  kAmx,         ///< kAvx512Bf16 with matrix tiles of bfloat16 and of bytes (AMX)
};

/// "plain", "avx2", "avx_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx".
std::string to_string(Isa isa);
/// All instruction sets that this machine can run, slowest first.
std::vector<Isa> available_isas();
/// The fastest of them, or the one that VITRIM_FORCE_ISA names. Throws vitrim::Error if that is not a valid
/// name, or if this machine lacks the instruction set.
Isa chosen_isa();
/// Limits oneDNN, MKL and LibTorch to VITRIM_FORCE_ISA too, if it is set (limits that are already set stay).
/// These libraries read the limit once, so call it before their first use.
void cap_libraries();

}  // namespace vitrim::runtime
