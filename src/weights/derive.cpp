#include "weights/derive.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace vitrim::weights {

namespace {

using architecture::Derivation;
using architecture::TensorInfo;
using checkpoint::TensorView;

size_t at(int64_t i) { return static_cast<size_t>(i); }

int64_t product(const std::vector<int64_t>& sizes, size_t begin, size_t end) {
  int64_t out = 1;
  for (size_t i = begin; i < end; ++i) out *= sizes[i];
  return out;
}

// The engine reads float32 in the end, so derived tensors are float32.
TensorView joined(const TensorInfo& info, int64_t dim, const std::vector<TensorView>& inputs) {
  std::vector<float> values(at(info.numel()));
  const int64_t outer = product(info.shape, 0, at(dim)),
                row = product(info.shape, at(dim), info.shape.size());
  int64_t begin = 0;
  for (const TensorView& input : inputs) {
    const std::vector<float> part = checkpoint::floats_of(input);
    const int64_t length = product(input.shape, at(dim), input.shape.size());
    for (int64_t i = 0; i < outer; ++i)
      std::copy_n(part.data() + i * length, length, values.data() + i * row + begin);
    begin += length;
  }
  return checkpoint::view_of(std::move(values), info.shape);
}

TensorView sliced(const TensorInfo& info, const Derivation& how, TensorView input) {
  input.data += at(how.begin * input.strides[at(how.dim)]) * item_size(input.dtype);
  input.shape = info.shape;
  return input;
}

TensorView reshaped(const TensorInfo& info, const TensorView& input) {
  TensorView out = checkpoint::contiguous(input);
  out.shape = info.shape;
  out.strides = checkpoint::contiguous_strides(out.shape);
  return out;
}

TensorView sum(const TensorInfo& info, const TensorView& a, const TensorView& b) {
  std::vector<float> values = checkpoint::floats_of(a);
  const std::vector<float> other = checkpoint::floats_of(b);
  for (size_t i = 0; i < values.size(); ++i) values[i] += other[i];
  return checkpoint::view_of(std::move(values), info.shape);
}

// Keys' cubic convolution (1981) with its free parameter a.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// The inputs of each output along one direction, and their weights.
struct Intermediates {
  std::vector<int64_t> from;
  std::vector<double> share;
};

// As in LibTorch: with antialiasing, a = -0.5 and the kernel widens if the map shrinks, with weights
// normalised to a sum of 1; otherwise a = -0.75, and positions beyond the edge are read at the edge.
Intermediates taps_of(int64_t to, int64_t from_size, int64_t to_size, bool antialias) {
  const double scale = static_cast<double>(from_size) / static_cast<double>(to_size);
  Intermediates out;
  if (!antialias) {
    const double place = scale * (static_cast<double>(to) + 0.5) - 0.5, floor = std::floor(place);
    for (int64_t i = -1; i <= 2; ++i) {
      out.from.push_back(std::clamp<int64_t>(static_cast<int64_t>(floor) + i, 0, from_size - 1));
      out.share.push_back(cubic(place - floor - static_cast<double>(i), -0.75));
    }
    return out;
  }
  const double wide = std::max(scale, 1.0), center = scale * (static_cast<double>(to) + 0.5);
  const auto begin = std::max<int64_t>(static_cast<int64_t>(std::floor(center - 2 * wide + 0.5)), 0),
             end = std::min<int64_t>(static_cast<int64_t>(std::floor(center + 2 * wide + 0.5)), from_size);
  double total = 0;
  for (int64_t i = begin; i < end; ++i) {
    out.from.push_back(i);
    out.share.push_back(cubic((static_cast<double>(i) - center + 0.5) / wide, -0.5));
    total += out.share.back();
  }
  for (double& share : out.share) share /= total;
  return out;
}

// Resizes lines of `length` groups of `inner` values to another length: [outer, length, inner].
std::vector<float> stretched(const std::vector<float>& in, int64_t outer, int64_t length, int64_t inner,
                             int64_t to_length, bool antialias) {
  std::vector<float> out(at(outer * to_length * inner));
  std::vector<double> line(at(inner));
  for (int64_t to = 0; to < to_length; ++to) {
    const Intermediates intermediates = taps_of(to, length, to_length, antialias);
    for (int64_t o = 0; o < outer; ++o) {
      std::fill(line.begin(), line.end(), 0.0);
      for (size_t t = 0; t < intermediates.from.size(); ++t) {
        const float* from = in.data() + (o * length + intermediates.from[t]) * inner;
        for (int64_t c = 0; c < inner; ++c) line[at(c)] += intermediates.share[t] * from[c];
      }
      std::copy(line.begin(), line.end(), out.begin() + (o * to_length + to) * inner);
    }
  }
  return out;
}

TensorView resized(const TensorInfo& info, const Derivation& how, const TensorView& input) {
  const int64_t channels = info.size(2);
  std::vector<float> values = checkpoint::floats_of(input);
  values = stretched(values, how.from.height, how.from.width, channels, how.to.width, how.antialias);
  values = stretched(values, 1, how.from.height, how.to.width * channels, how.to.height, how.antialias);
  return checkpoint::view_of(std::move(values), info.shape);
}

TensorView value(const TensorInfo& info, const checkpoint::Checkpoint& file) {
  if (!info.derivation) return file.at(info.name);
  const Derivation& how = *info.derivation;
  std::vector<TensorView> inputs;
  for (const TensorInfo& input : how.inputs) inputs.push_back(value(input, file));
  switch (how.kind) {
    case Derivation::Kind::kZeros:
      return checkpoint::view_of(std::vector<float>(at(info.numel())), info.shape);
    case Derivation::Kind::kJoin:
      return joined(info, how.dim, inputs);
    case Derivation::Kind::kSlice:
      return sliced(info, how, inputs[0]);
    case Derivation::Kind::kShape:
      return reshaped(info, inputs[0]);
    case Derivation::Kind::kSum:
      return sum(info, inputs[0], inputs[1]);
    case Derivation::Kind::kResize:
      return resized(info, how, inputs[0]);
  }
  throw std::invalid_argument("[weights::derive] unknown derivation");
}

}  // namespace

architecture::TensorTable describe(const checkpoint::Checkpoint& file) {
  architecture::TensorTable out;
  out.path = file.path;
  out.metadata = file.metadata;
  for (const auto& [name, tensor] : file.entries())
    out.add(name, {name, tensor.dtype, tensor.shape, nullptr});
  return out;
}

checkpoint::Checkpoint derive(const architecture::TensorTable& tensors, const checkpoint::Checkpoint& file) {
  checkpoint::Checkpoint out;
  out.path = tensors.path;
  out.metadata = tensors.metadata;
  for (const auto& [name, info] : tensors.entries()) out.add(name, value(info, file));
  return out;
}

}  // namespace vitrim::weights
