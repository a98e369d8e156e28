#pragma once
// Published architectures, and specs of the kinds that were published.

#include <string>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// Published architectures: deit_tiny_patch16_224, vit_base_patch16_224, ... Throws std::invalid_argument
/// with the nearest names.
ModelSpec known_spec(const std::string& name);
std::vector<std::string> known_names();
bool is_known_name(const std::string& name);

/// A plain ViT: every block alike.
ModelSpec vit_spec(int64_t image_size, int64_t patch_size, int64_t embed_dim, int64_t depth,
                   int64_t num_heads, int64_t mlp_dim, int64_t num_classes);

/// Lists with one entry a stage.
struct StagesOptions {
  int64_t image_size = 224, num_classes = 1000;
  std::vector<int64_t> embed_dims, depths, num_heads;
  std::vector<int64_t> mlp_ratios = {4, 4, 4, 4};
  std::string attention = "SSSS";  ///< S softmax, L focused linear
  std::vector<int64_t>
      regions;  ///< of softmax stages: window (swin), stripe (cswin), spatial reduction (pvt, pvt_v2)
  std::vector<int64_t> linear_regions;  ///< the same of linear stages
};
/// A model with stages of family swin, flatten_swin, pvt, pvt_v2 or cswin. Throws std::invalid_argument where
/// the lists contradict each other.
ModelSpec stages_spec(const std::string& family, const StagesOptions& options);

}  // namespace vitrim::architecture
