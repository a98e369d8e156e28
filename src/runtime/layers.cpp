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

namespace {

// Bytes are stored in place of the values, each row at the beginning of its values.
template <typename T, typename From>
Quantize<From> quantizing(const Matrix<T>& matrix, int64_t width, int64_t rows, const Room<T>& room) {
  Quantize<From> q;
  q.rows = rows;
  q.width = width;
  q.out = reinterpret_cast<Byte*>(room.values);
  q.padded = matrix.k;
  q.ldo = room.ld * static_cast<int64_t>(sizeof(T));
  q.factors = room.factors;
  return q;
}

}  // namespace

template <typename T>
Left<T> normalize_for(const KernelSet<T>& kernels, const Matrix<T>& matrix, const NormWeights& norm,
                      float eps, const float* x, int64_t width, int64_t rows, const Room<T>& room) {
  if (!matrix.quantized()) {
    kernels.normalize(x, width, rows, width, eps, room.values, room.ld);
    return room.as_left(matrix);
  }
  Quantize<float> q = quantizing<T, float>(matrix, width, rows, room);
  q.x = x;
  q.ldx = width;
  q.gain = norm.gain.data();
  q.shift = norm.shift.data();
  q.eps = eps;
  kernels.quantize_normed(q);
  return room.as_left(matrix);
}

template <typename T>
Left<T> convert_for(const KernelSet<T>& kernels, const Matrix<T>& matrix, int64_t width, int64_t rows,
                    const Room<T>& room) {
  if (!matrix.quantized()) return room.as_left(matrix);
  Quantize<T> q = quantizing<T, T>(matrix, width, rows, room);
  q.x = room.values;
  q.ldx = room.ld;
  q.gain = matrix.gain.bytes() > 0 ? matrix.gain.data() : nullptr;
  kernels.quantize(q);
  return room.as_left(matrix);
}

template <typename T>
Gemm<T> product(const Matrix<T>& matrix, const Left<T>& a, int64_t rows, float* scratch) {
  Gemm<T> g;
  g.a = a.values;
  g.lda = a.ld;
  g.rows = rows;
  g.b = matrix.data.data();
  g.a_bytes = a.bytes;
  g.b_bytes = matrix.data_bytes.data();
  g.a_factor = a.factors;
  g.b_factor = matrix.factor.data();
  g.b_shift = matrix.shift.data();
  g.k = matrix.k;
  g.columns = matrix.columns;
  g.valid = matrix.valid;
  g.bias = matrix.bias.data();
  g.scratch = scratch;
  return g;
}

namespace {

Epilogue epilogue_of(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return Epilogue::kGelu;
    case Activation::kGeluTanh:
      return Epilogue::kGeluTanh;
    case Activation::kQuickGelu:
      return Epilogue::kQuickGelu;
    case Activation::kRelu:
      return Epilogue::kRelu;
    case Activation::kSilu:
      break;
  }
  return Epilogue::kSilu;
}

// Arranges rows [gates, units] to alternate every kColumnStep, so that a gate and its unit leave the product
// together.
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
    : hidden(block.mlp_dim), activation(epilogue_of(spec.activation)), gated(spec.gated_mlp) {
  const int64_t dim = block.embed_dim;
  Linear up = source.linear(prefix + "mlp.fc1", (gated ? 2 : 1) * block.mlp_dim, dim);
  norm = source.norm_before(up, prefix + "norm2", dim);
  fc1 = Matrix<T>(gated ? interleaved(up) : up);
  Linear down = source.linear(prefix + "mlp.fc2", dim, block.mlp_dim);
  if (spec.layer_scale) down.fold_output(source.values(prefix + "ls2.gamma", dim));
  fc2 = Matrix<T>(down);
}

template <typename T>
void mlp_hidden(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, const float* x,
                int64_t width, int64_t rows, Epilogue epilogue, const TileMemory<T>& memory) {
  const int64_t ldh = memory.hidden.ld, columns = mlp.hidden_columns();
  const Left<T> normed = normalize_for(kernels, mlp.fc1, mlp.norm, eps, x, width, rows, memory.normed);
  Gemm<T> up = product(mlp.fc1, normed, rows, memory.scratch);
  up.epilogue = epilogue;
  up.gated = mlp.gated;
  up.out = memory.hidden.values;
  up.ldo = ldh;
  kernels.gemm(up);
  for (int64_t r = 0; columns < ldh && r < rows; ++r)
    std::fill(memory.hidden.values + r * ldh + columns, memory.hidden.values + (r + 1) * ldh, T{});
}

template <typename T>
void add_product(const KernelSet<T>& kernels, const Matrix<T>& matrix, const Left<T>& a, float* x,
                 int64_t width, int64_t rows, float* scratch) {
  Gemm<T> g = product(matrix, a, rows, scratch);
  g.epilogue = Epilogue::kAdd;
  g.out = x;
  g.ldo = width;
  kernels.gemm(g);
}

template <typename T>
void add_mlp(const KernelSet<T>& kernels, const MlpWeights<T>& mlp, float eps, float* x, int64_t width,
             int64_t rows, const TileMemory<T>& memory) {
  mlp_hidden(kernels, mlp, eps, x, width, rows, mlp.activation, memory);
  const Left<T> hidden = convert_for(kernels, mlp.fc2, mlp.hidden, rows, memory.hidden);
  add_product(kernels, mlp.fc2, hidden, x, width, rows, memory.scratch);
}

template Left<float> normalize_for(const KernelSet<float>&, const Matrix<float>&, const NormWeights&, float,
                                   const float*, int64_t, int64_t, const Room<float>&);
template Left<float> convert_for(const KernelSet<float>&, const Matrix<float>&, int64_t, int64_t,
                                 const Room<float>&);
template Gemm<float> product(const Matrix<float>&, const Left<float>&, int64_t, float*);
template struct MlpWeights<float>;
template void mlp_hidden(const KernelSet<float>&, const MlpWeights<float>&, float, const float*, int64_t,
                         int64_t, Epilogue, const TileMemory<float>&);
template void add_product(const KernelSet<float>&, const Matrix<float>&, const Left<float>&, float*, int64_t,
                          int64_t, float*);
template void add_mlp(const KernelSet<float>&, const MlpWeights<float>&, float, float*, int64_t, int64_t,
                      const TileMemory<float>&);
template Left<Bf16> normalize_for(const KernelSet<Bf16>&, const Matrix<Bf16>&, const NormWeights&, float,
                                  const float*, int64_t, int64_t, const Room<Bf16>&);
template Left<Bf16> convert_for(const KernelSet<Bf16>&, const Matrix<Bf16>&, int64_t, int64_t,
                                const Room<Bf16>&);
template Gemm<Bf16> product(const Matrix<Bf16>&, const Left<Bf16>&, int64_t, float*);
template struct MlpWeights<Bf16>;
template void mlp_hidden(const KernelSet<Bf16>&, const MlpWeights<Bf16>&, float, const float*, int64_t,
                         int64_t, Epilogue, const TileMemory<Bf16>&);
template void add_product(const KernelSet<Bf16>&, const Matrix<Bf16>&, const Left<Bf16>&, float*, int64_t,
                          int64_t, float*);
template void add_mlp(const KernelSet<Bf16>&, const MlpWeights<Bf16>&, float, float*, int64_t, int64_t,
                      const TileMemory<Bf16>&);

}  // namespace vitrim::runtime
