#pragma once
// Exchanges tensors between Python and the library as DLPack capsules: nothing is copied, and the extension
// needs none of LibTorch's Python parts.

#include <ATen/core/Tensor.h>
#include <pybind11/pybind11.h>

namespace vitrim::python {

/// Takes ownership of the capsule's tensor; the capsule can't be used again.
at::Tensor from_capsule(const pybind11::capsule& capsule);
/// A capsule for torch.utils.dlpack.from_dlpack.
pybind11::capsule to_capsule(const at::Tensor& tensor);

}  // namespace vitrim::python
