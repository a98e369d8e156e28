#pragma once
// Translates checkpoints under foreign names: tables from their names to vitrim's, and what a table can't
// express. One file per naming scheme.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"
#include "vitrim/architecture/tensor_info.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// Renames tensors whose names match `from` to `to`. In `from`, # matches a number and * at the end any rest;
/// in `to` they stand for the same text, in the same order. An empty `to` drops the tensor.
struct NameRule {
  std::string_view from, to;
  /// Index `part` of `parts`: tensors that get the same name are joined along their first dimension (q, k and
  /// v become qkv).
  int part = 0, parts = 1;
};

/// A tensor which shows that a model has a part that vitrim does not support.
struct Foreign {
  std::string_view name;  ///< as NameRule::from
  std::string_view what;  ///< the part and the remedy; follows "this model " in the message
};

/// Whether `name` matches `pattern` (see NameRule::from).
bool matches(std::string_view pattern, std::string_view name);
/// Whether the file has a tensor that matches this pattern.
bool has_any(const TensorTable& state, std::string_view pattern);

/// The tensors under their new names; tensors that no rule matches keep their names. `dropped` receives the
/// names of dropped tensors. Throws FormatError if parts of one tensor are missing or do not fit, or if two
/// tensors get one name.
TensorTable rename(const TensorTable& state, std::span<const NameRule> rules,
                   std::vector<std::string>& dropped);
/// Throws FormatError if the file has a tensor of the table.
void refuse_foreign(const TensorTable& state, std::span<const Foreign> table);

/// Converts DINOv2 with registers from the layout of its authors and of transformers, where the position
/// table covers the class token and the patches, and registers are inserted after the class token. The class
/// token's position is added to the token.
void fold_class_position(TensorTable& state);

/// A checkpoint translated to vitrim's names.
struct Translated {
  TensorTable state;
  std::string names;  ///< name of the naming scheme: "timm", "transformers (ViT, DeiT, ViTMAE)", ...
  std::vector<std::string> dropped;  ///< names, in the file, of tensors that vitrim does not use
  /// The default values of transformers' models, for files without a config.json.
  double norm_eps = 1e-6;
  Activation activation = Activation::kGelu;
  bool foreign = false;  ///< the names are transformers', so that these defaults apply
  /// Resize position embeddings as transformers' DINOv2 does: bicubic, not antialiased.
  bool plain_positions = false;
  std::optional<Pooling> pooling;  ///< set if the names determine it
  bool bare_positions = false;     ///< the position table covers patches only
};

/// Tries all naming schemes; timm's and the original authors' is used if no other fits. Throws FormatError
/// for models that vitrim can't represent.
Translated translate(const TensorTable& state, const ModelConfig& config);
/// Translates transformers' names; leaves `out` unchanged if the file has other names.
bool translate_transformers(const TensorTable& state, Translated& out);
/// Translates the names of timm's variants and of the original authors of MAE, DINOv2 and DeiT III.
void translate_timm(const TensorTable& state, const ModelConfig& config, Translated& out);

/// The names, without `.weight`, of the tensors that embed patches, one per naming scheme; every model has
/// one of them.
std::span<const std::string_view> patch_embeddings();
/// The names that transformers' classes with a head give to the model in them: "vit", "vision_model", ...
std::span<const std::string_view> inner_models();

/// For the message about an unknown checkpoint: the known families, each with a tensor that its checkpoints
/// have.
std::string families_tried();

}  // namespace vitrim::architecture
