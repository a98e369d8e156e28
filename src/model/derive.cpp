#include "model/derive.h"

#include <ATen/ATen.h>

#include <stdexcept>

namespace vitrim::model {

namespace {

using architecture::Derivation;
using architecture::TensorInfo;

at::Tensor resized(const at::Tensor& table, const Derivation& how) {
  const at::Tensor map =
      table.to(at::kFloat).reshape({1, how.from.height, how.from.width, -1}).permute({0, 3, 1, 2});
  const std::vector<int64_t> size = {how.to.height, how.to.width};
  const at::Tensor out = how.antialias ? at::_upsample_bicubic2d_aa(map, size, /*align_corners=*/false)
                                       : at::upsample_bicubic2d(map, size, /*align_corners=*/false);
  return out.permute({0, 2, 3, 1}).reshape({1, how.to.size(), -1});
}

at::Tensor value(const TensorInfo& info, const StateDict& file) {
  if (!info.derivation) return file.at(info.name);
  const Derivation& how = *info.derivation;
  std::vector<at::Tensor> inputs;
  for (const TensorInfo& input : how.inputs) inputs.push_back(value(input, file));
  switch (how.kind) {
    case Derivation::Kind::kZeros:
      return at::zeros(info.shape, scalar_type_of(info.dtype));
    case Derivation::Kind::kJoin:
      for (at::Tensor& input : inputs) input = input.to(scalar_type_of(info.dtype));
      return at::cat(inputs, how.dim);
    case Derivation::Kind::kSlice:
      return inputs[0].narrow(how.dim, how.begin, info.size(how.dim));
    case Derivation::Kind::kShape:
      return inputs[0].reshape(info.shape);
    case Derivation::Kind::kSum:
      return inputs[0].to(at::kFloat) + inputs[1].to(at::kFloat);
    case Derivation::Kind::kResize:
      return resized(inputs[0], how);
  }
  throw std::invalid_argument("[model::derive] unknown derivation");
}

}  // namespace

architecture::TensorTable describe(const StateDict& file) {
  architecture::TensorTable out;
  out.path = file.path;
  out.metadata = file.metadata;
  for (const auto& [name, tensor] : file.entries())
    out.add(name, {name, dtype_of(tensor.scalar_type()), tensor.sizes().vec(), nullptr});
  return out;
}

StateDict derive(const architecture::TensorTable& tensors, const StateDict& file) {
  StateDict out;
  out.path = tensors.path;
  out.metadata = tensors.metadata;
  for (const auto& [name, info] : tensors.entries()) out.add(name, value(info, file));
  return out;
}

}  // namespace vitrim::model
