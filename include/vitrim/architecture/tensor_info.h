#pragma once
// Tensors without their values: enough to infer an architecture, and to say how vitrim's tensors derive from
// a file's.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/dtype.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/core/named_tensors.h"

namespace vitrim::architecture {

struct Derivation;

/// A tensor of a file, or one that is derived from such tensors (`derivation`).
struct TensorInfo {
  std::string name;  ///< its name in the file; empty for a derived tensor
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::shared_ptr<const Derivation> derivation;  ///< null: the tensor is in the file

  int64_t dim() const { return static_cast<int64_t>(shape.size()); }
  int64_t size(int64_t d) const { return shape[static_cast<size_t>(d)]; }
  const std::vector<int64_t>& sizes() const { return shape; }
  int64_t numel() const;
  bool is_floating_point() const { return vitrim::is_floating_point(dtype); }
};

/// A shape as text for messages: "[2, 3]".
std::string shape_text(const std::vector<int64_t>& shape);

/// A checkpoint without its values.
using TensorTable = NamedTensors<TensorInfo>;

/// How one tensor is computed from others. Code that holds the values does the computation (model/derive.cpp,
/// weights/derive.cpp).
struct Derivation {
  enum class Kind {
    kZeros,   ///< zeros, from no input
    kJoin,    ///< concatenation of all inputs along dimension `dim`; float32 if their dtypes differ
    kSlice,   ///< a slice of one input, from `begin` on along dimension `dim`
    kShape,   ///< one input reshaped
    kSum,     ///< sum of two inputs of one shape; float32
    kResize,  ///< a position table [1, n, C] resized from map `from` to map `to`; bicubic, float32
  };
  Kind kind = Kind::kZeros;
  std::vector<TensorInfo> inputs;
  int64_t dim = 0, begin = 0;
  Grid from, to;           ///< of kResize
  bool antialias = false;  ///< of kResize
};

TensorInfo zeros(std::vector<int64_t> shape, DType dtype = DType::kF32);
/// Concatenates along `dim`. The inputs must agree in all other dimensions; the caller checks that.
TensorInfo joined(std::vector<TensorInfo> parts, int64_t dim = 0);
TensorInfo sliced(const TensorInfo& tensor, int64_t dim, int64_t begin, int64_t end);
/// Reshapes; `shape` must have the same number of elements.
TensorInfo reshaped(const TensorInfo& tensor, std::vector<int64_t> shape);
TensorInfo sum(const TensorInfo& a, const TensorInfo& b);
/// Resizes a position table, bicubic: with antialiasing as timm does, without as transformers' DINOv2 does.
TensorInfo resized(const TensorInfo& table, Grid from, Grid to, bool antialias);

}  // namespace vitrim::architecture
