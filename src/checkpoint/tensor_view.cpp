#include "vitrim/checkpoint/tensor_view.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace vitrim::checkpoint {

namespace {

float bits(uint32_t value) { return std::bit_cast<float>(value); }

// Small floating-point numbers of IEEE's form, widened exactly.
float widened(uint32_t value, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const int sign_at = exponent_bits + mantissa_bits;
  const uint32_t mantissa = value & ((1u << mantissa_bits) - 1u),
                 exponent = (value >> mantissa_bits) & ((1u << exponent_bits) - 1u),
                 sign = (value >> sign_at) << 31, most = (1u << exponent_bits) - 1u;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (has_infinity && exponent == most) return bits(sign | 0x7F800000u | mantissa << (23 - mantissa_bits));
  // E4M3 has no infinities and one NaN.
  if (!has_infinity && exponent == most && mantissa == (1u << mantissa_bits) - 1u)
    return bits(sign | 0x7FC00000u);
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), 1 - bias - mantissa_bits);
    return sign != 0 ? -magnitude : magnitude;
  }
  return bits(sign | (exponent - static_cast<uint32_t>(bias) + 127u) << 23 |
              mantissa << (23 - mantissa_bits));
}

float from_half(uint16_t half) {
  const uint32_t exponent = half & 0x7C00u;
  if (exponent != 0 && exponent != 0x7C00u)  // the most frequent case
    return bits((half & 0x8000u) << 16 | ((half & 0x7FFFu) + (112u << 10)) << 13);
  return widened(half, 5, 10, true);
}

template <typename T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
float as_float(const uint8_t* from) {
  return static_cast<float>(load<T>(from));
}

// Converts `count` consecutive elements.
template <typename Convert>
void convert(const uint8_t* from, int64_t count, size_t item, float* out, Convert&& one) {
  for (int64_t i = 0; i < count; ++i) out[i] = one(from + static_cast<size_t>(i) * item);
}

void read_run(DType dtype, const uint8_t* from, int64_t count, float* out) {
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out, from, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kF64:
      return convert(from, count, 8, out, as_float<double>);
    case DType::kF16:
      return convert(from, count, 2, out, [](const uint8_t* p) { return from_half(load<uint16_t>(p)); });
    case DType::kBF16:
      return convert(from, count, 2, out,
                     [](const uint8_t* p) { return bits(static_cast<uint32_t>(load<uint16_t>(p)) << 16); });
    case DType::kI64:
      return convert(from, count, 8, out, as_float<int64_t>);
    case DType::kI32:
      return convert(from, count, 4, out, as_float<int32_t>);
    case DType::kI16:
      return convert(from, count, 2, out, as_float<int16_t>);
    case DType::kI8:
      return convert(from, count, 1, out, as_float<int8_t>);
    case DType::kU8:
    case DType::kBool:
      return convert(from, count, 1, out, as_float<uint8_t>);
    case DType::kU16:
      return convert(from, count, 2, out, as_float<uint16_t>);
    case DType::kU32:
      return convert(from, count, 4, out, as_float<uint32_t>);
    case DType::kU64:
      return convert(from, count, 8, out, as_float<uint64_t>);
    case DType::kF8E4M3:
      return convert(from, count, 1, out, [](const uint8_t* p) { return widened(*p, 4, 3, false); });
    case DType::kF8E5M2:
      return convert(from, count, 1, out, [](const uint8_t* p) { return widened(*p, 5, 2, true); });
    case DType::kComplex64:
    case DType::kComplex128:
      break;
  }
  throw std::invalid_argument("[checkpoint::read_floats] " + std::string(dtype_name(dtype)) +
                              " numbers have no float32 values");
}

// Calls work(offset, index) for all elements in row-major order; the offset counts elements of the memory.
template <typename Work>
void for_elements(const TensorView& tensor, Work&& work) {
  const int64_t count = tensor.numel();
  std::vector<int64_t> at(tensor.shape.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    for (size_t d = 0; d < at.size(); ++d) offset += at[d] * tensor.strides[d];
    work(static_cast<size_t>(offset), i);
    for (size_t d = at.size(); d-- > 0;) {
      if (++at[d] < tensor.shape[d]) break;
      at[d] = 0;
    }
  }
}

}  // namespace

int64_t TensorView::numel() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

bool TensorView::is_contiguous() const {
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] != 1 && strides[d] != step) return numel() == 0;
    step *= shape[d];
  }
  return true;
}

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

TensorView contiguous(const TensorView& tensor) {
  if (tensor.is_contiguous()) return tensor;
  const size_t item = item_size(tensor.dtype);
  // Elements of at most 16 bytes: memory that operator new gives is aligned to them.
  auto bytes =
      std::make_shared<std::vector<std::max_align_t>>(tensor.nbytes() / sizeof(std::max_align_t) + 1);
  auto* to = reinterpret_cast<uint8_t*>(bytes->data());
  for_elements(tensor, [&](size_t offset, int64_t i) {
    std::memcpy(to + static_cast<size_t>(i) * item, tensor.data + offset * item, item);
  });
  return {tensor.dtype, tensor.shape, contiguous_strides(tensor.shape), to, bytes};
}

TensorView view_of(std::vector<float> values, std::vector<int64_t> shape) {
  TensorView out;
  out.shape = std::move(shape);
  out.strides = contiguous_strides(out.shape);
  if (static_cast<int64_t>(values.size()) != out.numel())
    throw std::invalid_argument("[checkpoint::view_of] the shape does not hold as many values");
  const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  out.data = reinterpret_cast<const uint8_t*>(owner->data());
  out.owner = owner;
  return out;
}

void read_floats(const TensorView& tensor, float* out) {
  if (tensor.is_contiguous()) return read_run(tensor.dtype, tensor.data, tensor.numel(), out);
  const size_t item = item_size(tensor.dtype);
  for_elements(tensor, [&](size_t offset, int64_t i) {
    read_run(tensor.dtype, tensor.data + offset * item, 1, out + i);
  });
}

std::vector<float> floats_of(const TensorView& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.numel()));
  read_floats(tensor, out.data());
  return out;
}

}  // namespace vitrim::checkpoint
