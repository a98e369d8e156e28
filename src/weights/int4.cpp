#include "vitrim/weights/int4.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "vitrim/architecture/parameters.h"
#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/error.h"

namespace vitrim::weights {

namespace {

using architecture::kInt4Group;
using checkpoint::Checkpoint;
using checkpoint::TensorView;

constexpr int64_t kPerWord = 8;  // 4-bit numbers per int32
constexpr int kOffset = 8;       // added to a number before it is packed
constexpr int kMost = 127;       // largest magnitude of an int8 weight

int64_t in_parts(int64_t count, int64_t size) { return (count + size - 1) / size; }

template <typename T>
TensorView view_of(DType dtype, std::vector<T> values, std::vector<int64_t> shape) {
  TensorView out;
  out.dtype = dtype;
  out.shape = std::move(shape);
  out.strides = checkpoint::contiguous_strides(out.shape);
  const auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  out.data = reinterpret_cast<const uint8_t*>(owner->data());
  out.owner = owner;
  return out;
}

template <typename T>
const T* values_of(const TensorView& contiguous) {
  return reinterpret_cast<const T*>(contiguous.data);
}

// A 4-bit layer, by the name of its parameters.
struct Packed {
  std::string name;
  int64_t rows, width;
  int64_t words() const { return in_parts(width, kPerWord); }
  int64_t groups() const { return in_parts(width, kInt4Group); }
};

std::vector<Packed> packed_layers(const ModelSpec& spec) {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const architecture::QuantizableLayer& layer : architecture::quantizable_layers(spec, i)) {
      if (spec.blocks[static_cast<size_t>(i)].int4.*layer.member) names.push_back(layer.name);
    }
  }
  std::vector<Packed> out;
  if (names.empty()) return out;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec)) {
    if (!info.int8) continue;
    const std::string name = info.name.substr(0, info.name.rfind('.'));
    if (std::find(names.begin(), names.end(), name) != names.end())
      out.push_back({name, info.shape[0], info.shape[1]});
  }
  return out;
}

// The scales of a row as integer multiples of one number, which is returned; empty if there is none.
std::optional<float> common_measure(const float* scales, int64_t count, int* factors) {
  int lowest = 0;
  std::vector<std::pair<int64_t, int>> parts;  // scale = mantissa 2^exponent
  for (int64_t g = 0; g < count; ++g) {
    if (!std::isfinite(scales[g]) || scales[g] <= 0) return std::nullopt;
    int exponent = 0;
    const auto mantissa = static_cast<int64_t>(std::ldexp(std::frexp(scales[g], &exponent), 24));
    parts.emplace_back(mantissa, exponent);
    lowest = g == 0 ? exponent : std::min(lowest, exponent);
  }
  int64_t measure = 0;
  for (auto& [mantissa, exponent] : parts) {
    if (exponent - lowest > 7) return std::nullopt;  // more than 127 times as large
    mantissa <<= exponent - lowest;
    measure = std::gcd(measure, mantissa);
  }
  for (int64_t g = 0; g < count; ++g) {
    const int64_t factor = parts[static_cast<size_t>(g)].first / measure;
    if (factor > kMost) return std::nullopt;
    factors[g] = static_cast<int>(factor);
  }
  return static_cast<float>(std::ldexp(static_cast<double>(measure), lowest - 24));
}

const TensorView& part_of(const Checkpoint& file, const std::string& name,
                          const std::vector<int64_t>& shape) {
  if (!file.contains(name)) throw FormatError(file.path, name, "is missing, but the spec states int4");
  const TensorView& tensor = file.at(name);
  if (tensor.shape == shape) return tensor;
  throw FormatError(
      file.path, name,
      "expected " + architecture::shape_text(shape) + ", found " + architecture::shape_text(tensor.shape));
}

void require(const Checkpoint& file, const std::string& name, DType dtype) {
  const DType found = file.at(name).dtype;
  if (found != dtype)
    throw FormatError(
        file.path, name,
        "expected " + std::string(dtype_name(dtype)) + " values, found " + std::string(dtype_name(found)));
}

void unpack(const Packed& layer, Checkpoint& file) {
  const std::string weight = layer.name + ".weight", packed_name = weight + "_packed",
                    scale_name = weight + "_scale", shape_name = weight + "_shape";
  const TensorView packed = checkpoint::contiguous(part_of(file, packed_name, {layer.rows, layer.words()}));
  require(file, packed_name, DType::kI32);
  const TensorView& scales = part_of(file, scale_name, {layer.rows, layer.groups()});
  if (!is_floating_point(scales.dtype))
    throw FormatError(file.path, scale_name, "expected floating-point values, found integers");
  const TensorView shape = checkpoint::contiguous(part_of(file, shape_name, {2}));
  require(file, shape_name, DType::kI64);
  const auto* sizes = values_of<int64_t>(shape);
  if (sizes[0] != layer.rows || sizes[1] != layer.width)
    throw FormatError(file.path, shape_name,
                      "states " + std::to_string(sizes[0]) + " x " + std::to_string(sizes[1]) +
                          ", but the spec states " + std::to_string(layer.rows) + " x " +
                          std::to_string(layer.width));
  const auto* words = values_of<int32_t>(packed);
  const std::vector<float> products = checkpoint::floats_of(scales);
  std::vector<int8_t> values(static_cast<size_t>(layer.rows * layer.width));
  std::vector<float> measures(static_cast<size_t>(layer.rows));
  std::vector<int> factors(static_cast<size_t>(layer.groups()));
  for (int64_t r = 0; r < layer.rows; ++r) {
    const std::string row = "row " + std::to_string(r) + ": ";
    const auto measure = common_measure(products.data() + r * layer.groups(), layer.groups(), factors.data());
    if (!measure)
      throw FormatError(file.path, scale_name,
                        row +
                            "the scales are not whole multiples (1 to 127) of one number, as vitrim "
                            "quantize writes them");
    measures[static_cast<size_t>(r)] = *measure;
    for (int64_t i = 0; i < layer.width; ++i) {
      const auto word = static_cast<uint32_t>(words[r * layer.words() + i / kPerWord]);
      const int q = static_cast<int>(word >> (4 * (i % kPerWord)) & 15U) - kOffset;
      const int value = q * factors[static_cast<size_t>(i / kInt4Group)];
      if (std::abs(value) > kMost)
        throw FormatError(file.path, packed_name,
                          row + "a weight is " + std::to_string(value) +
                              " times the row's scale, but at most 127 is allowed");
      values[static_cast<size_t>(r * layer.width + i)] = static_cast<int8_t>(value);
    }
  }
  file.erase(packed_name);
  file.erase(shape_name);
  file.set(weight, view_of(DType::kI8, std::move(values), {layer.rows, layer.width}));
  file.set(scale_name, checkpoint::view_of(std::move(measures), {layer.rows, 1}));
}

// The bits of a positive number as F16; empty if that is not exact, or not a normal number.
std::optional<uint16_t> half_of(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const int exponent = static_cast<int>(bits >> 23) - 127;
  if (exponent < -14 || exponent > 15 || (bits & 0x1fffU) != 0) return std::nullopt;
  return static_cast<uint16_t>((exponent + 15) << 10 | static_cast<int>(bits >> 13 & 0x3ffU));
}

TensorView scales_view(std::vector<float> scales, const std::vector<int64_t>& shape) {
  std::vector<uint16_t> halves;
  for (const float scale : scales) {
    const auto half = half_of(scale);
    if (!half) return checkpoint::view_of(std::move(scales), shape);
    halves.push_back(*half);
  }
  return view_of(DType::kF16, std::move(halves), shape);
}

void pack(const Packed& layer, Checkpoint& state) {
  const std::string weight = layer.name + ".weight", scale_name = weight + "_scale";
  const auto wrong = [&](const char* what) {
    return std::invalid_argument("[weights::pack_int4] " + weight + ": " + what);
  };
  const TensorView held = checkpoint::contiguous(state.at(weight));
  if (held.dtype != DType::kI8) throw wrong("it is not int8");
  const auto* values = values_of<int8_t>(held);
  const std::vector<float> measures = checkpoint::floats_of(state.at(scale_name));
  std::vector<uint32_t> words(static_cast<size_t>(layer.rows * layer.words()));
  std::vector<float> scales(static_cast<size_t>(layer.rows * layer.groups()));
  for (int64_t r = 0; r < layer.rows; ++r) {
    const float measure = measures[static_cast<size_t>(r)];
    for (int64_t g = 0; g < layer.groups(); ++g) {
      const int64_t begin = g * kInt4Group, end = std::min(layer.width, begin + kInt4Group);
      int factor = 0;
      for (int64_t i = begin; i < end; ++i) factor = std::gcd(factor, std::abs(values[r * layer.width + i]));
      factor = std::max(factor, 1);  // a group with only zeros
      const float scale = measure * static_cast<float>(factor);
      if (static_cast<double>(scale) != static_cast<double>(measure) * factor)
        throw wrong("float32 does not hold a scale times its factor exactly");
      scales[static_cast<size_t>(r * layer.groups() + g)] = scale;
      for (int64_t i = begin; i < end; ++i) {
        const int q = values[r * layer.width + i] / factor;
        if (std::abs(q) >= kOffset)
          throw wrong("the values of a group are not multiples from -7 to 7 of one number");
        words[static_cast<size_t>(r * layer.words() + i / kPerWord)] |= static_cast<uint32_t>(q + kOffset)
                                                                        << (4 * (i % kPerWord));
      }
    }
  }
  const TensorView packed = view_of(DType::kI32, std::move(words), {layer.rows, layer.words()}),
                   scale = scales_view(std::move(scales), {layer.rows, layer.groups()}),
                   shape = view_of(DType::kI64, std::vector<int64_t>{layer.rows, layer.width}, {2});
  Checkpoint out;
  out.path = state.path;
  out.metadata = state.metadata;
  for (const auto& [name, tensor] : state.entries()) {
    if (name == weight) {
      out.add(weight + "_packed", packed);
      out.add(scale_name, scale);
      out.add(weight + "_shape", shape);
    } else if (name != scale_name) {
      out.add(name, tensor);
    }
  }
  state = std::move(out);
}

}  // namespace

void unpack_int4(const ModelSpec& spec, Checkpoint& file) {
  for (const Packed& layer : packed_layers(spec)) unpack(layer, file);
}

void pack_int4(const ModelSpec& spec, Checkpoint& state) {
  for (const Packed& layer : packed_layers(spec)) pack(layer, state);
}

}  // namespace vitrim::weights
