#pragma once
// What the files beside a checkpoint say about it: config.json and preprocessor_config.json of transformers,
// config.json of timm.

#include <optional>
#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// Everything is empty where nothing is said.
struct ModelConfig {
  std::string config;        ///< path of the config.json; empty where there is none of a known kind
  std::string processor;     ///< path of the preprocessor_config.json
  std::string model_type;    ///< transformers' "vit", "dinov2", ...
  std::string architecture;  ///< timm's "vit_base_patch16_224"
  std::optional<int64_t> embed_dim, depth, num_classes, patch_size, image_size;
  std::vector<int64_t> num_heads;  ///< one, or one a stage
  std::optional<double> norm_eps;
  std::optional<Activation> activation;
  std::optional<Pooling> pooling;
  /// With crop 0 where the files leave it to the model.
  std::optional<PreprocessSpec> preprocess;
  std::vector<std::string> class_names;
};

/// Reads the files beside `checkpoint`. FormatError where the config.json is no JSON, or says something that
/// vitrim can't do (an unknown activation or pooling). What only people read (class names) or what flags can
/// replace (preprocessing) is left out with a warning where it can't be understood.
ModelConfig read_model_config(const std::string& checkpoint);

/// Takes an architecture's name of timm's, and what only the name tells (activation, norm epsilon).
void take_timm_name(const std::string& name, ModelConfig& model_config);

/// `preprocess` for a model that takes images of `image_size`: the resize keeps its share of the crop.
PreprocessSpec fitted(PreprocessSpec preprocess, int64_t image_size);

}  // namespace vitrim::architecture
