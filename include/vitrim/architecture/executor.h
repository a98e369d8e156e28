#pragma once
// What runs models (LibTorch's path, the native engine, the ONNX writer, ...) declares here what it knows of
// a spec. What it has not declared, a new field or kind among it, it refuses by itself.

#include <optional>
#include <set>
#include <string>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

struct Executor {
  std::string name;    ///< "the native engine": what the sentence begins with
  std::string remedy;  ///< "use LibTorch's path": what it ends with; may be empty
  std::set<std::string> families;
  std::set<AttentionKind> kinds;
  /// Keys of the spec's JSON that change what a model computes, and that this executor follows: of the model
  /// ("qk_norm"), and of a block ("blocks.window"). Keys of every spec (common_fields()) are taken as known.
  std::set<std::string> fields;
};

/// The keys that say nothing beyond sizes, names and what every spec has: no executor can do without.
const std::set<std::string>& common_fields();

/// What a spec says and an executor has not declared.
struct Undeclared {
  enum class What { kFamily, kAttention, kField };
  What what;
  std::string name;  ///< the family's, the kind's, or the key: "blocks.merge"
  bool operator==(const Undeclared&) const = default;
};

/// The first of them; nothing where the executor knows everything that this spec says. A field counts where
/// the spec's JSON holds it, that is where it is not at its default.
std::optional<Undeclared> undeclared(const Executor& executor, const ModelSpec& spec);
/// Empty where the executor knows everything that this spec says, else a sentence that names the executor and
/// what it does not know.
std::string why_not(const Executor& executor, const ModelSpec& spec);
/// std::invalid_argument with that sentence after `place`, "[model::make_model] ".
void check_declared(const Executor& executor, const ModelSpec& spec, const std::string& place);

}  // namespace vitrim::architecture
