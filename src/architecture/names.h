#pragma once
// Checkpoints under foreign names: tables that say what vitrim calls each tensor, and what a table can't say.
// One file a naming.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"
#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// Tensors whose names match `from` are called `to`. In `from` # stands for a number and * at the end for any
/// rest; they stand for the same in `to`, in the same order. An empty `to` drops the tensor.
struct NameRule {
  std::string_view from, to;
  /// Part `part` of `parts`: the tensors that get one name are joined along their first dimension (q, k and v
  /// become qkv).
  int part = 0, parts = 1;
};

/// A tensor that says that a model has something that vitrim has not.
struct Foreign {
  std::string_view name;  ///< as NameRule::from
  std::string_view what;  ///< what that is, and what to do; after "this model "
};

/// Whether `name` is one of `pattern` (as NameRule::from).
bool matches(std::string_view pattern, std::string_view name);
/// Whether the file holds a tensor of that pattern.
bool has_any(const TensorTable& state, std::string_view pattern);

/// The same tensors under other names, those that no rule knows under their own. `dropped` takes the names of
/// what was left out. FormatError where parts of one tensor are missing or do not fit, or two tensors get one
/// name.
TensorTable rename(const TensorTable& state, std::span<const NameRule> rules,
                   std::vector<std::string>& dropped);
/// FormatError where the file holds a tensor of the table.
void refuse_foreign(const TensorTable& state, std::span<const Foreign> table);

/// DINOv2 with registers, as its authors and transformers have it: the position table covers the class token
/// and the patches, registers are put in after it. The class token's position becomes part of the token.
void fold_class_position(TensorTable& state);

/// A checkpoint under vitrim's names.
struct Translated {
  TensorTable state;
  std::string names;  ///< whose names the file has: "timm", "transformers (ViT, DeiT, ViTMAE)", ...
  std::vector<std::string> dropped;  ///< tensors that vitrim has no use for, under the file's names
  /// What transformers' models take where there is no config.json.
  double norm_eps = 1e-6;
  Activation activation = Activation::kGelu;
  bool foreign = false;  ///< under transformers' names, so that the above counts
  /// Resize position embeddings as transformers' DINOv2 does: bicubic, not antialiased.
  bool plain_positions = false;
  std::optional<Pooling> pooling;  ///< where the names tell it
  bool bare_positions = false;     ///< the position table covers patches only
};

/// Tries all namings; timm's and the original authors' where no other fits. FormatError for models that can't
/// be told in vitrim's terms.
Translated translate(const TensorTable& state, const ModelConfig& config);
/// transformers' names; `out` is left alone where the file has others.
bool translate_transformers(const TensorTable& state, Translated& out);
/// The names of timm's variants and of the original authors of MAE, DINOv2 and DeiT III.
void translate_timm(const TensorTable& state, const ModelConfig& config, Translated& out);

/// What stands before `.weight` in the tensors that embed patches, one a naming: every model has one of them.
std::span<const std::string_view> patch_embeddings();
/// What transformers' classes with a head call the model in them: "vit", "vision_model", ...
std::span<const std::string_view> inner_models();

/// For a message about an unknown checkpoint: the families that were looked for, each with a tensor that it
/// would have.
std::string families_tried();

}  // namespace vitrim::architecture
