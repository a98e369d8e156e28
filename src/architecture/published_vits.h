#pragma once
// The published sizes of vision transformers: how many heads a ViT has, by the name of its architecture or by
// its shape.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim::architecture {

/// What the tensors of a ViT tell about its size.
struct VitShape {
  int64_t embed_dim = 0, depth = 0;
  int64_t mlp_dim = 0;  ///< units that fc2 reads
  bool gated_mlp = false, class_token = true;
  int64_t patch_size = 0;
  int64_t patches = 0;  ///< positions of patches
};

/// Which numbers of heads the published ViTs have that a shape is alike to.
struct PublishedHeads {
  std::vector<int64_t> counts;  ///< without repetition, ascending; none: no published ViT has this width
  bool exact = false;           ///< width, depth and MLP are published together, not the width alone
};

/// By the shape.
PublishedHeads published_heads(const VitShape& shape);

/// A size with a name.
struct NamedVit {
  int64_t embed_dim = 0, num_heads = 0;
};

/// By a name of timm's or of training scripts that follow it ("vit_huge_patch14_clip_224.laion2b",
/// "mae_vit_base_patch16"): the size of `embed_dim` among those that the name may mean, else the first.
/// Nothing where it names no size.
std::optional<NamedVit> published_vit(std::string_view architecture, int64_t embed_dim);

/// The sides in pixels of the images that published ViTs take.
bool is_published_image_size(int64_t pixels);

/// Of those that have no positions for the class token and registers (DeiT III, DINOv2 with registers, ...).
bool is_published_bare_size(int64_t pixels);

/// The activation of SigLIP's and SigLIP 2's image towers, which share their shapes with ViTs of another one:
/// whether a ViT of this shape, without a class token, computes GELU by its approximation.
bool is_published_with_gelu_tanh(const VitShape& shape);

}  // namespace vitrim::architecture
