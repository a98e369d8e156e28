#include "runtime/layers.h"

#include <algorithm>
#include <cmath>

namespace vitrim::runtime {

void layer_norm(const float* x, int64_t width, float eps, const NormWeights& weights, float* out) {
  double sum = 0, square = 0;
  for (int64_t c = 0; c < width; ++c) sum += x[c];
  const float mean = static_cast<float>(sum / static_cast<double>(width));
  for (int64_t c = 0; c < width; ++c) square += static_cast<double>(x[c] - mean) * (x[c] - mean);
  const float factor = static_cast<float>(1 / std::sqrt(square / static_cast<double>(width) + eps));
  for (int64_t c = 0; c < width; ++c) {
    const float v = (x[c] - mean) * factor;
    out[c] =
        weights.any() ? v * weights.gain[static_cast<size_t>(c)] + weights.shift[static_cast<size_t>(c)] : v;
  }
}

void layer_norm_rows(const KernelSet<float>& kernels, float* x, int64_t rows, int64_t width, float eps,
                     const NormWeights& weights) {
  const float* gain = weights.gain.data();
  const float* shift = weights.shift.data();
  for (int64_t r = 0; r < rows; ++r) {
    float* row = x + r * width;
    kernels.normalize(row, width, 1, width, eps, row, width);
    for (int64_t c = 0; weights.any() && c < width; ++c) row[c] = row[c] * gain[c] + shift[c];
  }
}

template <typename T>
Gemm<T> product(const Matrix<T>& matrix, const T* a, int64_t lda, int64_t rows, float* scratch) {
  Gemm<T> g;
  g.a = a;
  g.lda = lda;
  g.rows = rows;
  g.b = matrix.data.data();
  g.k = matrix.k;
  g.columns = matrix.columns;
  g.valid = matrix.valid;
  g.bias = matrix.bias.data();
  g.scratch = scratch;
  return g;
}

namespace {

Edge edge_of(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return Edge::kGelu;
    case Activation::kGeluTanh:
      return Edge::kGeluTanh;
    case Activation::kQuickGelu:
      return Edge::kQuickGelu;
    case Activation::kRelu:
      return Edge::kRelu;
    case Activation::kSilu:
      break;
  }
  return Edge::kSilu;
}

// Rows [gates, units] in turns of kColumnStep, so that a gate and its unit leave the product together.
Linear interleaved(const Linear& layer) {
  const int64_t half = layer.out / 2;
  Linear out{0, layer.in, {}, {}};
  for (int64_t begin = 0; begin < half; begin += kColumnStep) {
    for (const int64_t part : {int64_t{0}, half}) {
      Linear some = layer.rows(part + begin, part + std::min(half, begin + kColumnStep));
      some.pad_rows(kColumnStep);
      out.append(some);
    }
  }
  return out;
}

}  // namespace

template <typename T>
MlpWeights<T>::MlpWeights(const WeightSource& source, const ModelSpec& spec, const BlockSpec& block,
                          const std::string& prefix)
    : activation(edge_of(spec.activation)), gated(spec.gated_mlp) {
  const int64_t dim = block.embed_dim;
  Linear up = source.linear(prefix + "mlp.fc1", (gated ? 2 : 1) * block.mlp_dim, dim);
  const NormWeights norm2 = source.norm(prefix + "norm2", dim);
  up.fold_input(norm2.gain, norm2.shift);
  fc1 = Matrix<T>(gated ? interleaved(up) : up);
  Linear down = source.linear(prefix + "mlp.fc2", dim, block.mlp_dim);
  if (spec.layer_scale) down.fold_output(source.values(prefix + "ls2.gamma", dim));
  fc2 = Matrix<T>(down);
}

template <typename T>
void mlp_hidden(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, const float* x,
                int64_t width, int64_t rows, Edge edge, const TileMemory<T>& memory) {
  const int64_t ldh = mlp.hidden_width(), columns = mlp.hidden_columns();
  kernels.normalize(x, width, rows, width, eps, memory.normed, memory.ldn);
  Gemm<T> up = product(mlp.fc1, static_cast<const T*>(memory.normed), memory.ldn, rows, memory.scratch);
  up.edge = edge;
  up.gated = mlp.gated;
  up.out = memory.hidden;
  up.ldo = ldh;
  kernels.gemm(up);
  for (int64_t r = 0; columns < ldh && r < rows; ++r)
    std::fill(memory.hidden + r * ldh + columns, memory.hidden + (r + 1) * ldh, T{});
}

template <typename T>
void add_product(const KernelSet<T>& kernels, const Matrix<T>& matrix, const T* a, int64_t lda, float* x,
                 int64_t width, int64_t rows, float* scratch) {
  Gemm<T> g = product(matrix, a, lda, rows, scratch);
  g.edge = Edge::kAdd;
  g.out = x;
  g.ldo = width;
  kernels.gemm(g);
}

template <typename T>
void add_mlp(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, float* x, int64_t width,
             int64_t rows, const TileMemory<T>& memory) {
  mlp_hidden(kernels, mlp, eps, x, width, rows, mlp.activation, memory);
  add_product(kernels, mlp.fc2, static_cast<const T*>(memory.hidden), mlp.hidden_width(), x, width, rows,
              memory.scratch);
}

template Gemm<float> product(const Matrix<float>&, const float*, int64_t, int64_t, float*);
template Gemm<Bf16> product(const Matrix<Bf16>&, const Bf16*, int64_t, int64_t, float*);
template struct MlpWeights<float>;
template struct MlpWeights<Bf16>;
template void mlp_hidden(const KernelSet<float>&, const MlpWeights<float>&, float, const float*, int64_t,
                         int64_t, Edge, const TileMemory<float>&);
template void mlp_hidden(const KernelSet<Bf16>&, const MlpWeights<Bf16>&, float, const float*, int64_t,
                         int64_t, Edge, const TileMemory<Bf16>&);
template void add_product(const KernelSet<float>&, const Matrix<float>&, const float*, int64_t, float*,
                          int64_t, int64_t, float*);
template void add_product(const KernelSet<Bf16>&, const Matrix<Bf16>&, const Bf16*, int64_t, float*, int64_t,
                          int64_t, float*);
template void add_mlp(const KernelSet<float>&, const MlpWeights<float>&, float, float*, int64_t, int64_t,
                      const TileMemory<float>&);
template void add_mlp(const KernelSet<Bf16>&, const MlpWeights<Bf16>&, float, float*, int64_t, int64_t,
                      const TileMemory<Bf16>&);

}  // namespace vitrim::runtime
