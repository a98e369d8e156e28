#include "runtime/matrix.h"

#include <algorithm>
#include <stdexcept>

namespace vitrim::runtime {

Linear Linear::rows(int64_t begin, int64_t end) const {
  Linear part{end - begin, in, {}, {}};
  part.weight.assign(weight.begin() + begin * in, weight.begin() + end * in);
  part.bias.assign(bias.begin() + begin, bias.begin() + end);
  if (quantized()) part.factor.assign(factor.begin() + begin, factor.begin() + end);
  part.input_gain = input_gain;
  return part;
}

void Linear::fold_input(const std::vector<float>& gain, const std::vector<float>& shift) {
  if (quantized())
    throw std::invalid_argument("[runtime::Linear] nothing can be folded into a quantised layer's input");
  constexpr int64_t kLanes = 8;  // number of independent sums, because a single one waits for each addition
  for (int64_t r = 0; r < out; ++r) {
    double moved[kLanes] = {};
    float* const row = weight.data() + r * in;
    const auto take = [&](int64_t c, int64_t lane) {
      moved[lane] += static_cast<double>(row[c]) * shift[static_cast<size_t>(c)];
      row[c] *= gain[static_cast<size_t>(c)];
    };
    int64_t c = 0;
    for (; c + kLanes <= in; c += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) take(c + lane, lane);
    }
    for (; c < in; ++c) take(c, c % kLanes);
    double sum = 0;
    for (const double lane : moved) sum += lane;
    bias[static_cast<size_t>(r)] += static_cast<float>(sum);
  }
}

void Linear::fold_output(const std::vector<float>& gain) {
  for (int64_t r = 0; r < out; ++r) {
    const float by = gain[static_cast<size_t>(r)];
    if (quantized()) {
      factor[static_cast<size_t>(r)] *= by;
    } else {
      for (int64_t c = 0; c < in; ++c) weight[static_cast<size_t>(r * in + c)] *= by;
    }
    bias[static_cast<size_t>(r)] *= by;
  }
}

void Linear::scale(float by) { fold_output(std::vector<float>(static_cast<size_t>(out), by)); }

void Linear::pad_rows(int64_t count) {
  out = std::max(out, count);
  weight.resize(static_cast<size_t>(out * in), 0.0f);
  bias.resize(static_cast<size_t>(out), 0.0f);
  if (quantized()) factor.resize(static_cast<size_t>(out), 0.0f);
}

void Linear::append(const Linear& other) {
  if (other.in != in)
    throw std::invalid_argument("[runtime::Linear] layers with different inputs can't be joined");
  if (out > 0 && quantized() != other.quantized())
    throw std::invalid_argument("[runtime::Linear] a quantised layer can't be joined with another");
  if (out > 0 && input_gain != other.input_gain)
    throw std::invalid_argument("[runtime::Linear] layers with different input gains can't be joined");
  out += other.out;
  input_gain = other.input_gain;
  weight.insert(weight.end(), other.weight.begin(), other.weight.end());
  bias.insert(bias.end(), other.bias.begin(), other.bias.end());
  factor.insert(factor.end(), other.factor.begin(), other.factor.end());
}

namespace {

void set_value(float* p, float x) { set_float(p, x); }
void set_value(Bf16* p, float x) { set_float(p, x); }
void set_value(Byte* p, float x) { p->bits = static_cast<uint8_t>(static_cast<int8_t>(x)); }

// out: zeros, [k, columns] packed.
template <typename T>
void pack_layer(const Linear& layer, int64_t k, int64_t columns, T* out) {
  constexpr int64_t kPer = kPerWord<T>;
  for (int64_t j0 = 0; j0 < columns; j0 += kPanel) {
    const int64_t width = std::min(kPanel, columns - j0);
    T* panel = out + j0 * k;
    // Square tiles, so that input and output both stay in the first-level cache.
    for (int64_t i0 = 0; i0 < layer.in; i0 += kPanel) {
      const int64_t end = std::min(i0 + kPanel, layer.in);
      for (int64_t j = 0; j < width && j0 + j < layer.out; ++j) {
        const float* row = layer.weight.data() + (j0 + j) * layer.in;
        for (int64_t i = i0; i < end; ++i)
          set_value(panel + (i / kPer * width + j) * kPer + i % kPer, row[i]);
      }
    }
  }
}

}  // namespace

template <typename T>
Matrix<T>::Matrix(const Linear& layer)
    : k(round_up(layer.in, layer.quantized() ? kDepthStep<Byte> : kDepthStep<T>)),
      columns(round_up(layer.out, kColumnStep)),
      valid(layer.out),
      bias(columns) {
  if (layer.quantized()) {
    data_bytes = Buffer<Byte>(k * columns);
    factor = Buffer<float>(columns);
    shift = Buffer<int32_t>(columns);
    pack_layer(layer, k, columns, data_bytes.data());
    std::copy(layer.factor.begin(), layer.factor.end(), factor.data());
    if (!layer.input_gain.empty()) {
      gain = Buffer<float>(k);
      std::copy(layer.input_gain.begin(), layer.input_gain.end(), gain.data());
    }
    for (int64_t r = 0; r < layer.out; ++r) {
      for (int64_t c = 0; c < layer.in; ++c)
        shift.data()[r] += 128 * static_cast<int32_t>(layer.weight[static_cast<size_t>(r * layer.in + c)]);
    }
  } else {
    data = Buffer<T>(k * columns);
    pack_layer(layer, k, columns, data.data());
  }
  std::copy(layer.bias.begin(), layer.bias.end(), bias.data());
}

template struct Matrix<float>;
template struct Matrix<Bf16>;

}  // namespace vitrim::runtime
