#pragma once
// A pickle as an inert tree. Python's unpickler imports and calls whatever the file names; this one imports
// and calls nothing: names stay names, and "call f with these arguments" stays a note that says so.

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
  kLargeInt,    ///< an integer beyond 64 bits, its value is dropped
  kFloat,       ///< its value is dropped: no weight depends on one
  kText,        ///< text
  kBytes,       ///< text
  kTuple,       ///< items
  kList,        ///< items
  kSet,         ///< items
  kDict,        ///< items: key, value, key, value, ...
  kGlobal,      ///< module, text: a class or function named, not imported
  kPersistent,  ///< items[0]: the id of something outside the pickle (in checkpoints: a storage)
  kObject,      ///< what calling `callee` with `arguments` would give, had it been called
};

/// Values refer to each other by index, so that shared and circular ones cost nothing special.
using PickleRef = uint32_t;
inline constexpr PickleRef kNoValue = UINT32_MAX;

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  bool has_pairs = false;     ///< kObject: items holds key, value, key, value, ...
  bool has_elements = false;  ///< kObject: items holds elements; with both set the items mean nothing
  PickleRef callee = kNoValue;
  PickleRef arguments = kNoValue;
  PickleRef state = kNoValue;  ///< kObject: what BUILD would hand it
  int64_t number = 0;
  std::string_view text, module;
  std::vector<PickleRef> items;
};

/// A finished pickle; the texts point into `bytes`.
struct Pickle {
  Bytes bytes;
  std::deque<PickleValue> values;
  PickleRef root = kNoValue;
  const PickleValue& operator[](PickleRef ref) const { return values[ref]; }
  /// For messages: "a dict", "the class or function os.system", "what argparse.Namespace makes".
  std::string describe(PickleRef ref) const;
};

/// Interprets protocols 2 to 5 without recursion. Time and memory grow with the number of opcodes only, and
/// beyond 128 MB, six times what the largest models need, the pickle is refused. Throws FormatError with
/// `file`, and `record` and the byte as the place, for damaged pickles.
Pickle read_pickle(Bytes bytes, const std::string& file, const std::string& record);

}  // namespace vitrim::checkpoint
