#include "vitrim/model/parameter_names.h"

namespace vitrim::model {

bool is_attention_parameter(const std::string& name, int layer) {
  const std::string prefix = "blocks." + std::to_string(layer) + ".";
  for (const char* part : {"norm1.", "attn.", "ls1."}) {
    if (name.starts_with(prefix + part)) return true;
  }
  return false;
}

}  // namespace vitrim::model
