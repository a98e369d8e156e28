#include <ATen/cpu/Utils.h>

#include <stdexcept>

#include "vitrim/model/model.h"

namespace vitrim::model {

at::ScalarType fast_dtype() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* feature : {"avx512_bf16", "amx_bf16"}) {
    const auto found = capabilities.find(feature);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool()) return at::kBFloat16;
  }
  return at::kFloat;
}

at::ScalarType parse_compute_dtype(const std::string& name) {
  if (name == "f32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "auto") return fast_dtype();
  throw std::invalid_argument("precision must be f32, bf16 or auto, not '" + name + "'");
}

}  // namespace vitrim::model
