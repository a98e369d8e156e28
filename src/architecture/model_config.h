#pragma once
// Reads the files in a checkpoint's folder that describe it: config.json and preprocessor_config.json of
// transformers, config.json of timm.

#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The stated values; a value that is not stated is empty.
struct ModelConfig {
  std::string config;        ///< path of the config.json; empty if there is none of a known kind
  std::string processor;     ///< path of the preprocessor_config.json
  std::string model_type;    ///< transformers' "vit", "dinov2", ...
  std::string architecture;  ///< timm's "vit_base_patch16_224"
  std::optional<int64_t> embed_dim, depth, num_classes, patch_size, image_size;
  std::vector<int64_t> num_heads;  ///< one, or one per stage
  std::optional<double> norm_eps;
  std::optional<Activation> activation;
  std::optional<Pooling> pooling;
  /// crop is 0 if the files leave it to the model.
  std::optional<PreprocessSpec> preprocess;
  std::vector<std::string> class_names;
};

/// Reads the files in the folder of `checkpoint`. Throws FormatError if the config.json is not JSON, or
/// states a value that vitrim does not support (an unknown activation or pooling). Values that are only
/// informative (class names) or that flags can replace (preprocessing) are skipped with a warning if they
/// can't be understood.
ModelConfig read_model_config(const std::string& checkpoint);

/// Records a timm name of an architecture, and the values that only the name implies (activation, norm
/// epsilon).
void take_timm_name(const std::string& name, ModelConfig& model_config);

/// `preprocess` for a model with images of `image_size`; the ratio of resize to crop is kept.
PreprocessSpec fitted(PreprocessSpec preprocess, int64_t image_size);

}  // namespace vitrim::architecture
