#pragma once
// What torch.save's notes mean: which noted calls stand for tensors and dicts, and how a tensor lies in its
// storage.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/pickle.h"
#include "vitrim/core/dtype.h"

namespace vitrim::checkpoint {

/// A tensor as the pickle describes it; numbers are checked for sign and overflow, not against the storage's
/// record.
struct TensorRecipe {
  std::string_view storage_key;  ///< names the archive's record data/KEY
  int64_t storage_bytes = 0;
  DType dtype = DType::kF32;
  int64_t offset = 0;  ///< elements
  std::vector<int64_t> shape, strides;
};

enum class TensorKind {
  kNone,     ///< no tensor
  kTensor,   ///< a dense tensor or parameter; torch_tensor() reads it
  kForeign,  ///< a tensor that needs other code to be rebuilt: sparse, quantised, of an own class
};

TensorKind tensor_kind(const Pickle& pickle, PickleRef ref);

/// Reads a kTensor. Throws FormatError, with `file` and `name`, where its description is wrong or depends on
/// a foreign object.
TensorRecipe torch_tensor(const Pickle& pickle, PickleRef ref, const std::string& file,
                          const std::string& name);

/// The keys and values of a dict, OrderedDict or defaultdict, where `ref` is one; repeated keys are still in
/// it.
bool is_dict(const Pickle& pickle, PickleRef ref);
std::vector<std::pair<PickleRef, PickleRef>> dict_items(const Pickle& pickle, PickleRef ref);

}  // namespace vitrim::checkpoint
