#include "runtime/matrix.h"

#include <algorithm>
#include <stdexcept>

namespace vitrim::runtime {

Linear Linear::rows(int64_t begin, int64_t end) const {
  Linear part{end - begin, in, {}, {}};
  part.weight.assign(weight.begin() + begin * in, weight.begin() + end * in);
  part.bias.assign(bias.begin() + begin, bias.begin() + end);
  return part;
}

void Linear::fold_input(const std::vector<float>& gain, const std::vector<float>& shift) {
  for (int64_t r = 0; r < out; ++r) {
    double moved = 0;
    for (int64_t c = 0; c < in; ++c) {
      float& w = weight[static_cast<size_t>(r * in + c)];
      moved += static_cast<double>(w) * shift[static_cast<size_t>(c)];
      w *= gain[static_cast<size_t>(c)];
    }
    bias[static_cast<size_t>(r)] += static_cast<float>(moved);
  }
}

void Linear::fold_output(const std::vector<float>& gain) {
  for (int64_t r = 0; r < out; ++r) {
    const float factor = gain[static_cast<size_t>(r)];
    for (int64_t c = 0; c < in; ++c) weight[static_cast<size_t>(r * in + c)] *= factor;
    bias[static_cast<size_t>(r)] *= factor;
  }
}

void Linear::scale(float factor) { fold_output(std::vector<float>(static_cast<size_t>(out), factor)); }

void Linear::pad_rows(int64_t count) {
  out = std::max(out, count);
  weight.resize(static_cast<size_t>(out * in), 0.0f);
  bias.resize(static_cast<size_t>(out), 0.0f);
}

void Linear::append(const Linear& other) {
  if (other.in != in)
    throw std::invalid_argument("[runtime::Linear] layers with different inputs can't be joined");
  out += other.out;
  weight.insert(weight.end(), other.weight.begin(), other.weight.end());
  bias.insert(bias.end(), other.bias.begin(), other.bias.end());
}

template <typename T>
Matrix<T>::Matrix(const Linear& layer)
    : k(round_up(layer.in, kDepthStep<T>)),
      columns(round_up(layer.out, kColumnStep)),
      valid(layer.out),
      data(k * columns),
      bias(columns) {
  constexpr int64_t kPer = sizeof(T) == 2 ? 2 : 1;  // rows that share a word
  for (int64_t j0 = 0; j0 < columns; j0 += kPanel) {
    const int64_t width = std::min(kPanel, columns - j0);
    T* panel = data.data() + j0 * k;
    for (int64_t j = 0; j < width && j0 + j < layer.out; ++j) {
      const float* row = layer.weight.data() + (j0 + j) * layer.in;
      for (int64_t i = 0; i < layer.in; ++i)
        set_float(panel + (i / kPer * width + j) * kPer + i % kPer, row[i]);
    }
  }
  std::copy(layer.bias.begin(), layer.bias.end(), bias.data());
}

template struct Matrix<float>;
template struct Matrix<Bf16>;

}  // namespace vitrim::runtime
