// Checks on tensors that were read.

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/join.h"
#include "vitrim/checkpoint/checkpoint.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

// Complex numbers are pairs of real ones.
bool all_finite(const TensorView& tensor) {
  TensorView real = contiguous(tensor);
  if (real.dtype == DType::kComplex64 || real.dtype == DType::kComplex128) {
    real.dtype = real.dtype == DType::kComplex64 ? DType::kF32 : DType::kF64;
    real.shape.push_back(2);
    real.strides = contiguous_strides(real.shape);
  }
  if (!is_floating_point(real.dtype)) return true;
  if (real.dtype == DType::kF64) {  // may be finite although it exceeds float32
    const auto* p = reinterpret_cast<const double*>(real.data);
    return std::all_of(p, p + real.numel(), [](double x) { return std::isfinite(x); });
  }
  std::vector<float> copied;
  const auto* p = reinterpret_cast<const float*>(real.data);
  if (real.dtype != DType::kF32) p = (copied = floats_of(real)).data();
  // Without branches and in words of one width, so that memory bandwidth limits the loop.
  const int64_t count = real.numel();
  uint32_t wrong = 0;
  for (int64_t i = 0; i < count; ++i)
    wrong |= static_cast<uint32_t>((std::bit_cast<uint32_t>(p[i]) & 0x7F800000u) == 0x7F800000u);
  return wrong == 0;
}

}  // namespace

FormatError not_finite(const std::string& path, const std::string& names, int64_t count) {
  return FormatError(path, names,
                     std::string(count == 1 ? "the tensor holds" : "these tensors hold") +
                         " NaN or infinity; use a checkpoint from before the training diverged");
}

void check_finite(const Checkpoint& state) {
  std::vector<std::string> wrong;
  for (const auto& [name, tensor] : state.entries())
    if (!all_finite(tensor)) wrong.push_back(name);
  if (!wrong.empty()) throw not_finite(state.path, join(wrong), static_cast<int64_t>(wrong.size()));
}

}  // namespace vitrim::checkpoint
