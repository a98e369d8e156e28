#pragma once
// The tables of kernels that this machine can run, and the emulated tiles.

#include <string>
#include <vector>

#include "runtime/kernels.h"
#include "runtime/kernels_vnni256.h"
#include "vitrim/runtime/isa.h"

namespace vitrim::test {

struct Table {
  std::string name;
  const runtime::Kernels* kernels;
};

inline std::vector<Table> tables() {
  std::vector<Table> out;
  for (const runtime::Isa isa : runtime::available_isas())
    out.push_back({runtime::to_string(isa), &runtime::kernels_of(isa)});
#if defined(__x86_64__)
  for (const Table& table : out) {
    if (table.name != runtime::to_string(runtime::Isa::kAvx512Vnni)) continue;
    out.push_back({"avx_vnni, encoded as AVX-512's", &vnni256_kernels()});
    break;
  }
#endif
  out.push_back({"emulated_tiles", &runtime::emulated_tile_kernels()});
  return out;
}

}  // namespace vitrim::test
