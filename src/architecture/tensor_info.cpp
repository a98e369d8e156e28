#include "vitrim/architecture/tensor_info.h"

namespace vitrim::architecture {

namespace {

TensorInfo made(DType dtype, std::vector<int64_t> shape, Derivation derivation) {
  return {"", dtype, std::move(shape), std::make_shared<const Derivation>(std::move(derivation))};
}

}  // namespace

int64_t TensorInfo::numel() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

TensorInfo zeros(std::vector<int64_t> shape, DType dtype) {
  Derivation how;
  how.kind = Derivation::Kind::kZeros;
  return made(dtype, std::move(shape), std::move(how));
}

TensorInfo joined(std::vector<TensorInfo> parts, int64_t dim) {
  std::vector<int64_t> shape = parts.front().shape;
  for (size_t i = 1; i < parts.size(); ++i) shape[static_cast<size_t>(dim)] += parts[i].size(dim);
  DType dtype = parts.front().dtype;
  for (const TensorInfo& part : parts) {
    if (part.dtype != dtype) dtype = DType::kF32;
  }
  Derivation how;
  how.kind = Derivation::Kind::kJoin;
  how.inputs = std::move(parts);
  how.dim = dim;
  return made(dtype, std::move(shape), std::move(how));
}

TensorInfo sliced(const TensorInfo& tensor, int64_t dim, int64_t begin, int64_t end) {
  std::vector<int64_t> shape = tensor.shape;
  shape[static_cast<size_t>(dim)] = end - begin;
  Derivation how;
  how.kind = Derivation::Kind::kSlice;
  how.inputs = {tensor};
  how.dim = dim;
  how.begin = begin;
  return made(tensor.dtype, std::move(shape), std::move(how));
}

TensorInfo reshaped(const TensorInfo& tensor, std::vector<int64_t> shape) {
  Derivation how;
  how.kind = Derivation::Kind::kShape;
  how.inputs = {tensor};
  return made(tensor.dtype, std::move(shape), std::move(how));
}

TensorInfo sum(const TensorInfo& a, const TensorInfo& b) {
  Derivation how;
  how.kind = Derivation::Kind::kSum;
  how.inputs = {a, b};
  return made(DType::kF32, a.shape, std::move(how));
}

TensorInfo resized(const TensorInfo& table, Grid from, Grid to, bool antialias) {
  Derivation how;
  how.kind = Derivation::Kind::kResize;
  how.inputs = {table};
  how.from = from;
  how.to = to;
  how.antialias = antialias;
  return made(DType::kF32, {1, to.size(), table.size(2)}, std::move(how));
}

}  // namespace vitrim::architecture
