// Checks on tensors that were read.

#include <ATen/ATen.h>

#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

std::string join(const std::vector<std::string>& names, const char* separator = ", ") {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : separator) + name;
  return text;
}

bool all_finite(const at::Tensor& tensor) {
  const auto type = tensor.scalar_type();
  if (!at::isFloatingType(type) && !at::isComplexType(type)) return true;
  // The 8-bit kinds have no kernels of their own.
  return at::isfinite(c10::isFloat8Type(type) ? tensor.to(at::kFloat) : tensor).all().item<bool>();
}

}  // namespace

void check_finite(const StateDict& state) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> wrong;
  for (const auto& [name, tensor] : state.entries())
    if (!all_finite(tensor)) wrong.push_back(name);
  if (wrong.empty()) return;
  throw FormatError(state.path, join(wrong),
                    std::string(wrong.size() == 1 ? "the tensor holds" : "these tensors hold") +
                        " NaN or infinity; take a checkpoint from before the training diverged");
}

std::string Mismatch::text() const {
  std::vector<std::string> parts;
  if (!missing.empty()) parts.push_back("missing: " + join(missing));
  if (!surplus.empty()) parts.push_back("surplus: " + join(surplus));
  if (!misshaped.empty()) parts.push_back("of another shape: " + join(misshaped));
  if (parts.empty()) return "the tensors match";
  const std::string remedy = surplus.empty()
                                 ? ""
                                 : "; a surplus tensor may be of a part that vitrim does not compute, so "
                                   "leave it out of the file only if the model works without it";
  return "the tensors do not match, " + join(parts, "; ") + remedy;
}

}  // namespace vitrim::checkpoint
