#include "tensors.h"

#include <ATen/DLConvertor.h>

#include <stdexcept>

namespace vitrim::python {

namespace py = pybind11;

at::Tensor from_capsule(const py::capsule& capsule) {
  auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (managed == nullptr) {
    PyErr_Clear();
    throw std::invalid_argument("this is not a DLPack capsule, or it was used before");
  }
  const at::Tensor tensor = at::fromDLPack(managed);
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  return tensor;
}

py::capsule to_capsule(const at::Tensor& tensor) {
  DLManagedTensor* managed = at::toDLPack(tensor.detach().contiguous());
  // The consumer of the tensor renames the capsule.
  return py::capsule(managed, "dltensor", [](PyObject* object) {
    if (!PyCapsule_IsValid(object, "dltensor")) return;
    auto* left = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(object, "dltensor"));
    left->deleter(left);
  });
}

}  // namespace vitrim::python
