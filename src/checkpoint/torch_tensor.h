#pragma once
// Interprets the objects of torch.save: which recorded calls are tensors and dicts, and how a tensor is laid
// out in its storage.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/pickle.h"
#include "vitrim/core/dtype.h"

namespace vitrim::checkpoint {

/// A tensor as the pickle describes it. Numbers are checked for sign and overflow, but not against the record
/// of the storage.
struct TensorRecipe {
  std::string_view storage_key;  ///< key of the archive's record data/KEY
  int64_t storage_bytes = 0;
  DType dtype = DType::kF32;
  int64_t offset = 0;  ///< offset in elements
  std::vector<int64_t> shape, strides;
};

enum class TensorKind {
  kNone,     ///< not a tensor
  kTensor,   ///< a dense tensor or parameter; torch_tensor() reads it
  kForeign,  ///< a tensor that needs other code to rebuild: sparse, quantised, of a custom class
};

TensorKind tensor_kind(const Pickle& pickle, PickleRef ref);

/// Reads a kTensor. Throws FormatError, with `file` and `name`, if its description is wrong or depends on a
/// foreign object.
TensorRecipe torch_tensor(const Pickle& pickle, PickleRef ref, const std::string& file,
                          const std::string& name);

/// The keys and values of a dict, OrderedDict or defaultdict, if `ref` is one; repeated keys are not removed.
bool is_dict(const Pickle& pickle, PickleRef ref);
std::vector<std::pair<PickleRef, PickleRef>> dict_items(const Pickle& pickle, PickleRef ref);

}  // namespace vitrim::checkpoint
