#include "checkpoint/torch_tensor.h"

#include <algorithm>

#include "checkpoint/dtype.h"
#include "checkpoint/view_bytes.h"
#include "vitrim/core/error.h"

namespace vitrim::checkpoint {
namespace {

using Kind = PickleKind;

bool is_global(const Pickle& pickle, PickleRef ref, std::string_view module, std::string_view name) {
  const PickleValue& value = pickle[ref];
  return value.kind == Kind::kGlobal && value.module == module && value.text == name;
}

/// How a tensor is rebuilt, by the function that torch.save names.
enum class Rebuild { kNone, kOther, kTensor, kTensorWithDtype, kParameter, kFromType };

Rebuild rebuild_kind(const Pickle& pickle, PickleRef callee) {
  const PickleValue& function = pickle[callee];
  if (function.kind != Kind::kGlobal) return Rebuild::kNone;
  if (function.module == "torch._utils") {
    if (function.text == "_rebuild_tensor_v2" || function.text == "_rebuild_tensor") return Rebuild::kTensor;
    if (function.text == "_rebuild_tensor_v3") return Rebuild::kTensorWithDtype;
    if (function.text == "_rebuild_parameter" || function.text == "_rebuild_parameter_with_state")
      return Rebuild::kParameter;
  }
  if (function.module == "torch._tensor" && function.text == "_rebuild_from_type_v2")
    return Rebuild::kFromType;
  const bool of_torch = function.module == "torch" || function.module.starts_with("torch.");
  return of_torch && function.text.starts_with("_rebuild") ? Rebuild::kOther : Rebuild::kNone;
}

/// The classes that _rebuild_from_type_v2 may name without changing the meaning of the numbers.
bool is_plain_class(const Pickle& pickle, PickleRef ref) {
  return is_global(pickle, ref, "torch", "Tensor") ||
         is_global(pickle, ref, "torch.nn.parameter", "Parameter") ||
         is_global(pickle, ref, "torch.nn.parameter", "Buffer");
}

class TensorReader {
 public:
  TensorReader(const Pickle& pickle, const std::string& file, const std::string& name)
      : pickle_(pickle), file_(file), name_(name) {}

  TensorRecipe read(PickleRef ref) {
    // Parameters and typed tensors wrap one another; a valid tensor never nests deeper than a few levels.
    constexpr int kDeepest = 8;
    PickleRef callee = pickle_[ref].callee, arguments = pickle_[ref].arguments;
    for (int depth = 0; depth < kDeepest; ++depth) {
      const Rebuild kind = rebuild_kind(pickle_, callee);
      switch (kind) {
        case Rebuild::kTensor:
        case Rebuild::kTensorWithDtype:
          return read_tensor(arguments, kind);
        case Rebuild::kParameter: {
          const PickleRef data = argument(arguments, 0);
          if (pickle_[data].kind != Kind::kObject) fail_foreign(data);
          callee = pickle_[data].callee;
          arguments = pickle_[data].arguments;
          break;
        }
        case Rebuild::kFromType: {
          const PickleRef type = argument(arguments, 1);
          if (!is_plain_class(pickle_, type)) fail_foreign(type);
          callee = argument(arguments, 0);
          arguments = argument(arguments, 2);
          break;
        }
        case Rebuild::kOther:
        case Rebuild::kNone:
          fail_foreign(callee);
      }
    }
    fail("the tensor is wrapped more than " + std::to_string(kDeepest) + " times");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw FormatError(file_, name_, what); }
  [[noreturn]] void fail_foreign(PickleRef ref) const {
    fail("the tensor depends on " + pickle_.describe(ref) +
         ", which vitrim does not run; save plain tensors, torch.save(model.state_dict(), file)");
  }

  PickleRef argument(PickleRef arguments, size_t i) const {
    const PickleValue& tuple = pickle_[arguments];
    if (tuple.kind != Kind::kTuple) fail_foreign(arguments);
    if (i >= tuple.items.size()) fail("the tensor's description ends early; the file is damaged");
    return tuple.items[i];
  }

  int64_t integer(PickleRef ref, const char* what) const {
    const PickleValue& value = pickle_[ref];
    if (value.kind != Kind::kInt && value.kind != Kind::kLargeInt) fail_foreign(ref);
    if (value.kind == Kind::kLargeInt || value.number < 0)
      fail(std::string(what) + " is negative or too large; the file is damaged");
    return value.number;
  }

  std::vector<int64_t> integers(PickleRef ref, const char* what) const {
    PickleRef tuple = ref;
    // torch.Size((2, 3)) is a tuple with another name.
    if (const PickleValue& value = pickle_[ref];
        value.kind == Kind::kObject && is_global(pickle_, value.callee, "torch", "Size"))
      tuple = argument(value.arguments, 0);
    const PickleValue& value = pickle_[tuple];
    if (value.kind != Kind::kTuple && value.kind != Kind::kList) fail_foreign(tuple);
    if (value.items.size() > kMostDimensions)
      fail(std::string(what) + " has more than " + std::to_string(kMostDimensions) + " entries");
    std::vector<int64_t> numbers;
    for (const PickleRef item : value.items) numbers.push_back(integer(item, what));
    return numbers;
  }

  void read_storage(PickleRef ref, TensorRecipe& recipe, bool has_own_dtype) const {
    if (pickle_[ref].kind != Kind::kPersistent) fail_foreign(ref);
    const PickleRef id = pickle_[ref].items[0];
    // ("storage", class, key, device, number of elements)
    const PickleRef key = argument(id, 2);
    if (pickle_[key].kind != Kind::kText) fail("the storage's key is not text; the file is damaged");
    recipe.storage_key = pickle_[key].text;
    const int64_t elements = integer(argument(id, 4), "the storage's size");
    const PickleRef type = argument(id, 1);
    size_t element_bytes = 1;
    if (!is_global(pickle_, type, "torch.storage", "UntypedStorage")) {
      const PickleValue& storage_class = pickle_[type];
      const bool of_torch = storage_class.kind == Kind::kGlobal &&
                            (storage_class.module == "torch" || storage_class.module == "torch.cuda");
      const auto dtype = of_torch ? dtype_from_storage_class(storage_class.text) : std::nullopt;
      if (!dtype) fail_foreign(type);
      if (!has_own_dtype) recipe.dtype = *dtype;
      element_bytes = item_size(*dtype);
    } else if (!has_own_dtype) {
      fail("the tensor's storage has no dtype; the file is damaged");
    }
    if (__builtin_mul_overflow(elements, static_cast<int64_t>(element_bytes), &recipe.storage_bytes))
      fail("the storage's size is too large; the file is damaged");
  }

  /// (storage, offset, shape, strides, requires_grad, hooks, [dtype], [metadata])
  TensorRecipe read_tensor(PickleRef arguments, Rebuild kind) const {
    TensorRecipe recipe;
    const bool has_own_dtype = kind == Rebuild::kTensorWithDtype;
    size_t metadata = 6;
    if (has_own_dtype) {
      const PickleRef dtype_name = argument(arguments, 6);
      const PickleValue& value = pickle_[dtype_name];
      const auto dtype = value.kind == Kind::kGlobal && value.module == "torch"
                             ? dtype_from_torch_name(value.text)
                             : std::nullopt;
      if (!dtype) fail_foreign(dtype_name);
      recipe.dtype = *dtype;
      metadata = 7;
    }
    read_storage(argument(arguments, 0), recipe, has_own_dtype);
    recipe.offset = integer(argument(arguments, 1), "the storage offset");
    recipe.shape = integers(argument(arguments, 2), "the shape");
    recipe.strides = integers(argument(arguments, 3), "the stride");
    if (recipe.shape.size() != recipe.strides.size())
      fail("shape and stride have different lengths; the file is damaged");
    check_metadata(arguments, metadata);
    return recipe;
  }

  /// Tensors may be stored as the conjugate or the negative of their values.
  void check_metadata(PickleRef arguments, size_t position) const {
    if (position >= pickle_[arguments].items.size()) return;
    const PickleRef metadata = pickle_[arguments].items[position];
    if (pickle_[metadata].kind == Kind::kNone) return;
    if (pickle_[metadata].kind != Kind::kDict) fail_foreign(metadata);
    // "conj", "neg": torch has no others; and a long dict that all tensors share would be read once per
    // tensor.
    constexpr size_t kMostMetadata = 16;
    if (pickle_[metadata].items.size() > 2 * kMostMetadata)
      fail("the tensor's metadata have more than " + std::to_string(kMostMetadata) +
           " entries; the file is damaged");
    for (const auto& [key, value] : dict_items(pickle_, metadata))
      if (pickle_[value].kind != Kind::kBool || pickle_[value].number != 0)
        fail(
            "the tensor is a lazy conjugate or negative view; call resolve_conj() and resolve_neg() before "
            "saving");
  }

  const Pickle& pickle_;
  const std::string& file_;
  const std::string& name_;
};

}  // namespace

TensorKind tensor_kind(const Pickle& pickle, PickleRef ref) {
  if (pickle[ref].kind != Kind::kObject) return TensorKind::kNone;
  switch (rebuild_kind(pickle, pickle[ref].callee)) {
    case Rebuild::kNone:
      return TensorKind::kNone;
    case Rebuild::kOther:
      return TensorKind::kForeign;
    case Rebuild::kTensor:
    case Rebuild::kTensorWithDtype:
    case Rebuild::kParameter:
    case Rebuild::kFromType:
      break;
  }
  return TensorKind::kTensor;
}

TensorRecipe torch_tensor(const Pickle& pickle, PickleRef ref, const std::string& file,
                          const std::string& name) {
  return TensorReader(pickle, file, name).read(ref);
}

bool is_dict(const Pickle& pickle, PickleRef ref) {
  const PickleValue& value = pickle[ref];
  if (value.kind == Kind::kDict) return true;
  if (value.kind != Kind::kObject || value.has_elements) return false;
  return is_global(pickle, value.callee, "collections", "OrderedDict") ||
         is_global(pickle, value.callee, "collections", "defaultdict") ||
         is_global(pickle, value.callee, "builtins", "dict") ||
         is_global(pickle, value.callee, "__builtin__", "dict");
}

std::vector<std::pair<PickleRef, PickleRef>> dict_items(const Pickle& pickle, PickleRef ref) {
  std::vector<std::pair<PickleRef, PickleRef>> items;
  const PickleValue& dict = pickle[ref];
  // Python 2 passes the content of an OrderedDict as one list of pairs.
  if (dict.kind == Kind::kObject && pickle[dict.arguments].kind == Kind::kTuple &&
      !pickle[dict.arguments].items.empty()) {
    const PickleValue& pairs = pickle[pickle[dict.arguments].items[0]];
    if (pairs.kind == Kind::kList || pairs.kind == Kind::kTuple)
      for (const PickleRef pair : pairs.items)
        if (const PickleValue& two = pickle[pair];
            (two.kind == Kind::kList || two.kind == Kind::kTuple) && two.items.size() == 2)
          items.emplace_back(two.items[0], two.items[1]);
  }
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) items.emplace_back(dict.items[i], dict.items[i + 1]);
  return items;
}

}  // namespace vitrim::checkpoint
