#include "vitrim/model/state_dict.h"

#include <ATen/ATen.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "vitrim/checkpoint/checkpoint.h"

namespace vitrim::model {

namespace {

constexpr std::array<std::pair<at::ScalarType, DType>, 17> kTypes = {
    {{at::kDouble, DType::kF64},
     {at::kFloat, DType::kF32},
     {at::kHalf, DType::kF16},
     {at::kBFloat16, DType::kBF16},
     {at::kLong, DType::kI64},
     {at::kInt, DType::kI32},
     {at::kShort, DType::kI16},
     {at::kChar, DType::kI8},
     {at::kByte, DType::kU8},
     {at::kBool, DType::kBool},
     {at::kComplexFloat, DType::kComplex64},
     {at::kComplexDouble, DType::kComplex128},
     {at::kUInt16, DType::kU16},
     {at::kUInt32, DType::kU32},
     {at::kUInt64, DType::kU64},
     {at::kFloat8_e4m3fn, DType::kF8E4M3},
     {at::kFloat8_e5m2, DType::kF8E5M2}}};

at::Tensor tensor_of(const checkpoint::TensorView& view) {
  const auto options = at::TensorOptions().dtype(scalar_type_of(view.dtype));
  if (view.numel() == 0) return at::empty(view.shape, options);
  // from_blob requires a mutable pointer; the memory itself may be a read-only mapping.
  return at::from_blob(
      const_cast<uint8_t*>(view.data), view.shape, view.strides, [owner = view.owner](void*) {}, options);
}

checkpoint::TensorView view_of(const std::string& name, const at::Tensor& tensor) {
  const std::string start = "[model::StateDict] tensor " + name;
  if (!tensor.defined()) throw std::invalid_argument(start + " is undefined");
  if (tensor.layout() != at::kStrided) throw std::invalid_argument(start + " is not dense; call to_dense()");
  if (tensor.is_quantized())
    throw std::invalid_argument(start + " has dtype " + c10::toString(tensor.scalar_type()) +
                                "; call dequantize()");
  const auto owner = std::make_shared<const at::Tensor>(tensor.detach().resolve_neg().resolve_conj().cpu());
  return {dtype_of(owner->scalar_type()), owner->sizes().vec(), owner->strides().vec(),
          static_cast<const uint8_t*>(owner->numel() > 0 ? owner->const_data_ptr() : nullptr), owner};
}

bool all_finite(const at::Tensor& tensor) {
  const auto type = tensor.scalar_type();
  if (!at::isFloatingType(type) && !at::isComplexType(type)) return true;
  // The 8-bit floating-point types have no kernels.
  return at::isfinite(c10::isFloat8Type(type) ? tensor.to(at::kFloat) : tensor).all().item<bool>();
}

}  // namespace

DType dtype_of(at::ScalarType type) {
  for (const auto& [torch, own] : kTypes) {
    if (torch == type) return own;
  }
  throw std::invalid_argument(std::string("[model::StateDict] checkpoints hold no tensors of dtype ") +
                              c10::toString(type));
}

at::ScalarType scalar_type_of(DType dtype) {
  for (const auto& [torch, own] : kTypes) {
    if (own == dtype) return torch;
  }
  throw std::invalid_argument("[model::StateDict] unknown dtype");
}

StateDict::StateDict(const checkpoint::Checkpoint& file) {
  path = file.path;
  metadata = file.metadata;
  for (const auto& [name, view] : file.entries()) add(name, tensor_of(view));
}

StateDict::operator checkpoint::Checkpoint() const {
  checkpoint::Checkpoint out;
  out.path = path;
  out.metadata = metadata;
  for (const auto& [name, tensor] : entries()) out.add(name, view_of(name, tensor));
  return out;
}

namespace {

// Eight bytes at a time are mixed by a multiplication that spreads every bit.
class Checksum {
 public:
  void add(const void* data, size_t bytes) {
    const auto* next = static_cast<const uint8_t*>(data);
    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), next += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, next, sizeof word);
      mix(word);
    }
    uint64_t rest = 0;
    std::memcpy(&rest, next, bytes);
    mix(rest);
    mix(bytes);
  }
  void add(const std::string& text) { add(text.data(), text.size()); }
  std::string text() const {
    char out[17];
    std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(sum_));
    return out;
  }

 private:
  void mix(uint64_t word) {
    sum_ = (sum_ ^ word) * 0x9e3779b97f4a7c15u;
    sum_ ^= sum_ >> 29;
  }
  uint64_t sum_ = 0;
};

}  // namespace

std::string checksum_of(const StateDict& state, const std::string& text) {
  Checksum sum;
  sum.add(text);
  for (const auto& [name, tensor] : state.entries()) {
    sum.add(name + " " + c10::toString(tensor.scalar_type()));
    const at::Tensor bytes = tensor.cpu().contiguous();
    sum.add(bytes.const_data_ptr(), bytes.nbytes());
  }
  return sum.text();
}

void check_finite(const StateDict& state) {
  const at::NoGradGuard no_grad;
  std::string wrong;
  int64_t count = 0;
  for (const auto& [name, tensor] : state.entries()) {
    if (all_finite(tensor)) continue;
    wrong += (wrong.empty() ? "" : ", ") + name;
    ++count;
  }
  if (count > 0) throw checkpoint::not_finite(state.path, wrong, count);
}

}  // namespace vitrim::model
