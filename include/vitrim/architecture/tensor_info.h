#pragma once
// Tensors without their values: what an architecture is read off, and how vitrim's tensors are made of a
// file's.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vitrim/core/dtype.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/core/named_tensors.h"

namespace vitrim::architecture {

struct Derivation;

/// A tensor of a file, or one that is to be made of such (`derivation`).
struct TensorInfo {
  std::string name;  ///< in the file; empty for one that is to be made
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::shared_ptr<const Derivation> derivation;  ///< null: the file's tensor as it is

  int64_t dim() const { return static_cast<int64_t>(shape.size()); }
  int64_t size(int64_t d) const { return shape[static_cast<size_t>(d)]; }
  const std::vector<int64_t>& sizes() const { return shape; }
  int64_t numel() const;
  bool is_floating_point() const { return vitrim::is_floating_point(dtype); }
};

/// "[2, 3]", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

/// A checkpoint without its values.
using TensorTable = NamedTensors<TensorInfo>;

/// How one tensor is made of others; whoever has the values carries it out (model/derive.cpp).
struct Derivation {
  enum class Kind {
    kZeros,   ///< of no input
    kJoin,    ///< of all inputs, along dimension `dim`; float32 where their dtypes differ
    kSlice,   ///< of one input, from `begin` on along dimension `dim`
    kShape,   ///< one input in another shape
    kSum,     ///< of two inputs of one shape; float32
    kResize,  ///< a position table [1, n, C] of map `from` at another size; bicubic, float32
  };
  Kind kind = Kind::kZeros;
  std::vector<TensorInfo> inputs;
  int64_t dim = 0, begin = 0;
  Grid from, to;           ///< of kResize
  bool antialias = false;  ///< of kResize
};

TensorInfo zeros(std::vector<int64_t> shape, DType dtype = DType::kF32);
/// Inputs agree in everything but dimension `dim`; the caller has checked it.
TensorInfo joined(std::vector<TensorInfo> parts, int64_t dim = 0);
TensorInfo sliced(const TensorInfo& tensor, int64_t dim, int64_t begin, int64_t end);
/// As many elements in `shape`.
TensorInfo reshaped(const TensorInfo& tensor, std::vector<int64_t> shape);
TensorInfo sum(const TensorInfo& a, const TensorInfo& b);
/// Bicubic: with antialiasing as timm resizes position tables, without as transformers' DINOv2.
TensorInfo resized(const TensorInfo& table, Grid from, Grid to, bool antialias);

}  // namespace vitrim::architecture
