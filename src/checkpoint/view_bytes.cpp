#include "checkpoint/view_bytes.h"

#include <algorithm>
#include <cstring>

#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 58;  // times the largest element still fits int64_t

/// a * b for a, b >= 0; empty above kMostElements.
std::optional<int64_t> multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > kMostElements) return std::nullopt;
  return product;
}

}  // namespace

std::optional<int64_t> element_count(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  bool zero = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    zero = zero || size == 0;
    const auto next = multiply(product, std::max<int64_t>(size, 1));
    if (!next) return std::nullopt;
    product = *next;
  }
  return zero ? 0 : product;
}

std::optional<int64_t> element_reach(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t last = 0;
  bool empty = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (strides[i] < 0) return std::nullopt;
    if (shape[i] == 0) {
      empty = true;
      continue;
    }
    const auto step = multiply(shape[i] - 1, strides[i]);
    if (!step || *step > kMostElements - last - 1) return std::nullopt;
    last += *step;
  }
  return empty ? 0 : last + 1;
}

Bytes aligned(Bytes bytes, size_t alignment) {
  if (bytes.size == 0 || reinterpret_cast<uintptr_t>(bytes.data) % alignment == 0) return bytes;
  // `new` aligns for every element type.
  std::shared_ptr<uint8_t[]> copy(new uint8_t[bytes.size]);
  std::memcpy(copy.get(), bytes.data, bytes.size);
  return Bytes{copy, copy.get(), bytes.size};
}

TensorView view_bytes(const Bytes& bytes, size_t offset, TensorView tensor, const std::string& file,
                      const std::string& name) {
  const size_t item = item_size(tensor.dtype);
  const size_t extent = static_cast<size_t>(element_reach(tensor.shape, tensor.strides).value()) * item;
  if (extent == 0) return tensor;
  const uint8_t* start = bytes.data + offset;
  if (tensor.dtype == DType::kBool) {
    const auto* wrong = std::find_if(start, start + extent, [](uint8_t byte) { return byte > 1; });
    if (wrong != start + extent)
      throw FormatError(file, name,
                        "byte " + std::to_string(wrong - start) + " of a BOOL tensor is " +
                            std::to_string(*wrong) + ", neither 0 nor 1; store it as U8");
  }
  if (reinterpret_cast<uintptr_t>(start) % item == 0) {
    tensor.data = start;
    tensor.owner = bytes.owner;
    return tensor;
  }
  const Bytes copy = aligned({bytes.owner, start, extent}, item);
  tensor.data = copy.data;
  tensor.owner = copy.owner;
  return tensor;
}

}  // namespace vitrim::checkpoint
