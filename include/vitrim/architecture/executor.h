#pragma once
// Every executor of models (LibTorch's path, the native engine, the ONNX writer, ...) declares here which
// properties of a spec it implements. Models with anything else, such as a new field or kind of attention,
// are refused.

#include <optional>
#include <set>
#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

struct Executor {
  std::string name;    ///< how the error sentence names it: "the native engine"
  std::string remedy;  ///< how the error sentence ends: "use LibTorch's path"; may be empty
  std::set<std::string> families;
  std::set<AttentionKind> kinds;
  /// Keys of the spec's JSON that change what a model computes and that this executor implements: of the
  /// model ("qk_norm") and of a block ("blocks.window"). Keys that every spec has (common_fields()) need not
  /// be listed.
  std::set<std::string> fields;
};

/// The keys that every executor implements: sizes, names and what else every spec has.
const std::set<std::string>& common_fields();

/// A property of a spec that an executor has not declared.
struct Undeclared {
  enum class What { kFamily, kAttention, kField };
  What what;
  std::string name;  ///< name of the family or kind, or the key: "blocks.merge"
  bool operator==(const Undeclared&) const = default;
};

/// The first undeclared property of `spec`; empty if the executor implements all of it. A field counts if the
/// spec's JSON holds it, that is, if its value is not the default.
std::optional<Undeclared> undeclared(const Executor& executor, const ModelSpec& spec);
/// A sentence that names the executor and what it does not implement; empty if it implements all of `spec`.
std::string why_not(const Executor& executor, const ModelSpec& spec);
/// Throws std::invalid_argument with that sentence after `place` ("[model::make_model] ") unless it is empty.
void check_declared(const Executor& executor, const ModelSpec& spec, const std::string& place);

}  // namespace vitrim::architecture
