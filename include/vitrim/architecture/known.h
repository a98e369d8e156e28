#pragma once
// Published architectures, and specs of the same families.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// The spec of a published architecture by its name: deit_tiny_patch16_224, vit_base_patch16_224, ... Throws
/// std::invalid_argument with the nearest names if the name is unknown.
ModelSpec known_spec(const std::string& name);
std::vector<std::string> known_names();
bool is_known_name(const std::string& name);

/// The spec of a plain ViT, in which all blocks are equal.
ModelSpec vit_spec(int64_t image_size, int64_t patch_size, int64_t embed_dim, int64_t depth,
                   int64_t num_heads, int64_t mlp_dim, int64_t num_classes);

/// Options of stages_spec(). Lists have one entry per stage.
struct StagesOptions {
  int64_t image_size = 224, num_classes = 1000;
  std::vector<int64_t> embed_dims, depths, num_heads;
  std::vector<int64_t> mlp_ratios = {4, 4, 4, 4};
  std::string attention = "SSSS";  ///< one letter per stage: S softmax, L focused linear
  std::vector<int64_t> regions;    ///< side of the regions in softmax stages: window (swin), stripe (cswin),
                                   ///< spatial reduction (pvt, pvt_v2)
  std::vector<int64_t> linear_regions;  ///< the same for focused linear stages
};
/// The spec of a model with stages, of family swin, flatten_swin, pvt, pvt_v2 or cswin. Throws
/// std::invalid_argument if the lists contradict each other.
ModelSpec stages_spec(const std::string& family, const StagesOptions& options);

}  // namespace vitrim::architecture
