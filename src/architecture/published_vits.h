#pragma once
// The published sizes of vision transformers: gives a ViT's number of heads from the name of its architecture
// or from its shape.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim::architecture {

/// The sizes that the tensors of a ViT determine.
struct VitShape {
  int64_t embed_dim = 0, depth = 0;
  int64_t mlp_dim = 0;  ///< input width of fc2
  bool gated_mlp = false, class_token = true;
  int64_t patch_size = 0;
  int64_t patches = 0;  ///< number of patch positions
};

/// The numbers of heads of the published ViTs that match a shape.
struct PublishedHeads {
  std::vector<int64_t> counts;  ///< unique, ascending; empty: no published ViT has this width
  bool exact = false;           ///< width, depth and MLP match a published ViT, not only the width
};

/// Finds the sizes by shape.
PublishedHeads published_heads(const VitShape& shape);

/// A named size.
struct NamedVit {
  int64_t embed_dim = 0, num_heads = 0;
};

/// Finds a size by a name of timm's, or of training scripts that use similar names
/// ("vit_huge_patch14_clip_224.laion2b", "mae_vit_base_patch16"): among the sizes that the name may mean, the
/// one with `embed_dim`, else the first. Empty if the name contains no size.
std::optional<NamedVit> published_vit(std::string_view architecture, int64_t embed_dim);

/// Sides, in pixels, of the input images of published ViTs.
bool is_published_image_size(int64_t pixels);

/// The same for ViTs without positions for the class token and registers (DeiT III, DINOv2 with registers,
/// ...).
bool is_published_bare_size(int64_t pixels);

/// Whether a ViT of this shape, without a class token, computes GELU by its tanh approximation, as the image
/// towers of SigLIP and SigLIP 2 do, which have the same shapes as ViTs with another activation.
bool is_published_with_gelu_tanh(const VitShape& shape);

}  // namespace vitrim::architecture
