// Published ViT and DeiT sizes under timm's names.

#include <stdexcept>

#include "architecture/known.h"
#include "vitrim/architecture/known.h"

namespace vitrim::architecture {

namespace {

struct Size {
  int64_t embed_dim, depth, num_heads;
};

// timm's preprocessing for its `augreg` ViTs and for DeiT: crop of 224 from a resize to 248 (crop_pct 0.9),
// bicubic.
PreprocessSpec vit_preprocess(int64_t image_size) {
  PreprocessSpec p;
  p.resize = image_size == 384 ? 384 : image_size * 10 / 9;
  p.crop = image_size;
  return p;
}

ModelSpec make(Size size, int64_t image_size, int64_t patch, bool deit, bool distilled) {
  ModelSpec spec =
      vit_spec(image_size, patch, size.embed_dim, size.depth, size.num_heads, 4 * size.embed_dim, 1000);
  spec.distillation_token = distilled;
  spec.preprocess = deit ? imagenet_preprocess(image_size) : vit_preprocess(image_size);
  return spec;
}

}  // namespace

PreprocessSpec imagenet_preprocess(int64_t image_size) {
  PreprocessSpec p = vit_preprocess(image_size);
  p.mean = {0.485, 0.456, 0.406};
  p.std = {0.229, 0.224, 0.225};
  return p;
}

void add_known_vits(std::map<std::string, ModelSpec>& out) {
  const std::map<std::string, Size> sizes = {
      {"tiny", {192, 12, 3}}, {"small", {384, 12, 6}}, {"base", {768, 12, 12}}, {"large", {1024, 24, 16}}};
  auto add = [&](const std::string& name, const std::string& size, int64_t image, int64_t patch, bool deit,
                 bool distilled) { out[name] = make(sizes.at(size), image, patch, deit, distilled); };
  for (const char* size : {"tiny", "small", "base", "large"}) {
    for (int64_t image : {224, 384}) {
      const std::string suffix = "_patch16_" + std::to_string(image);
      add("vit_" + std::string(size) + suffix, size, image, 16, false, false);
      if (std::string(size) == "large") continue;
      add("deit_" + std::string(size) + suffix, size, image, 16, true, false);
      add("deit_" + std::string(size) + "_distilled" + suffix, size, image, 16, true, true);
    }
  }
  add("vit_small_patch32_224", "small", 224, 32, false, false);
  add("vit_base_patch32_224", "base", 224, 32, false, false);
  add("vit_base_patch8_224", "base", 224, 8, false, false);
}

ModelSpec vit_spec(int64_t image_size, int64_t patch_size, int64_t embed_dim, int64_t depth,
                   int64_t num_heads, int64_t mlp_dim, int64_t num_classes) {
  if (num_heads <= 0 || embed_dim % num_heads != 0) {
    throw std::invalid_argument("[architecture::vit_spec] num_heads " + std::to_string(num_heads) +
                                " does not divide embed_dim " + std::to_string(embed_dim));
  }
  ModelSpec spec;
  spec.image_size = {image_size, image_size};
  spec.patch_size = patch_size;
  spec.embed_dim = embed_dim;
  spec.num_classes = num_classes;
  BlockSpec block;
  block.embed_dim = embed_dim;
  block.num_heads = num_heads;
  block.qk_dim = block.v_dim = embed_dim / num_heads;
  block.mlp_dim = mlp_dim;
  spec.blocks.assign(static_cast<size_t>(depth), block);
  return spec;
}

}  // namespace vitrim::architecture
