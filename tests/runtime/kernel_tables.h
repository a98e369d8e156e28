#pragma once
// The tables of kernels that this machine can run, and the emulated tiles.

#include <string>
#include <vector>

#include "runtime/kernels.h"
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
  out.push_back({"emulated_tiles", &runtime::emulated_tile_kernels()});
  return out;
}

}  // namespace vitrim::test
