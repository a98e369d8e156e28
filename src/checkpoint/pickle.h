#pragma once
// A pickle as an inert tree. Python's unpickler imports and calls whatever the file names. This one imports
// and calls nothing: names stay names, and a call is only recorded with its arguments.

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/mapped_file.h"

namespace vitrim::checkpoint {

enum class PickleKind : uint8_t {
  kNone,
  kBool,        ///< number
  kInt,         ///< number
  kLargeInt,    ///< an integer beyond 64 bits; its value is dropped
  kFloat,       ///< the value is dropped, because no weight depends on it
  kText,        ///< text
  kBytes,       ///< text
  kTuple,       ///< items
  kList,        ///< items
  kSet,         ///< items
  kDict,        ///< items: key, value, key, value, ...
  kGlobal,      ///< module, text: the name of a class or function, which is not imported
  kPersistent,  ///< items[0]: the id of an object outside the pickle (in checkpoints: a storage)
  kObject,      ///< the result that a call of `callee` with `arguments` would have
};

/// Values refer to each other by index, so shared and circular values need no special treatment.
using PickleRef = uint32_t;
inline constexpr PickleRef kNoValue = UINT32_MAX;

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  bool has_pairs = false;     ///< kObject: items holds key, value, key, value, ...
  bool has_elements = false;  ///< kObject: items holds elements; if both are set, the items are meaningless
  PickleRef callee = kNoValue;
  PickleRef arguments = kNoValue;
  PickleRef state = kNoValue;  ///< kObject: the state that BUILD would set
  int64_t number = 0;
  std::string_view text, module;
  std::vector<PickleRef> items;
};

/// An interpreted pickle; the texts point into `bytes`.
struct Pickle {
  Bytes bytes;
  std::deque<PickleValue> values;
  PickleRef root = kNoValue;
  const PickleValue& operator[](PickleRef ref) const { return values[ref]; }
  /// For messages: "a dict", "the class or function os.system", "what argparse.Namespace makes".
  std::string describe(PickleRef ref) const;
};

/// Interprets protocols 2 to 5 without recursion. Time and memory grow only with the number of opcodes. A
/// pickle that needs more than 128 MB, six times the need of the largest models, is refused. Throws
/// FormatError, with `file`, `record` and the byte, for damaged pickles.
Pickle read_pickle(Bytes bytes, const std::string& file, const std::string& record);

}  // namespace vitrim::checkpoint
