// timm's VisionTransformer, and DeiT's distilled variant.

#include <ATen/ATen.h>

#include "model/family.h"

namespace vitrim::model {

namespace {

class Vit : public FamilyForward {
 public:
  at::Tensor embed(const Model& model, const at::Tensor& images) const override {
    const ModelSpec& spec = model.spec();
    at::Tensor x = embed_patches(model, images, spec.patch_size, "patch_embed.proj");
    std::vector<at::Tensor> parts;
    for (const char* token : {"cls_token", "dist_token", "reg_token"}) {
      if (model.has_parameter(token))
        parts.push_back(model.parameter(token).expand({images.size(0), -1, -1}));
    }
    const at::Tensor position = model.parameter("pos_embed");
    if (!spec.embed_prefix_tokens) x = x + position;
    parts.push_back(x);
    x = parts.size() > 1 ? at::cat(parts, 1) : x;
    if (spec.embed_prefix_tokens) x = x + position;
    return spec.pre_norm ? model.layer_norm(x, "norm_pre") : x;
  }

  at::Tensor transition(const Model&, int, const at::Tensor& x) const override { return x; }

  Output finish(const Model& model, const at::Tensor& x, const MergedTokens& merged) const override {
    const ModelSpec& spec = model.spec();
    const at::Tensor normed = spec.final_norm ? model.layer_norm(x, "norm") : x;
    Output out;
    out.features = pool(spec, normed, merged);
    if (spec.fc_norm) out.features = model.layer_norm(out.features, "fc_norm");
    if (spec.num_classes == 0) return out;
    out.logits = model.linear(out.features, "head").to(at::kFloat);
    if (spec.distillation_token) {
      out.head = out.logits;
      out.head_dist = model.linear(normed.select(1, 1), "head_dist").to(at::kFloat);
      out.logits = (out.head + out.head_dist) * 0.5;
    }
    return out;
  }

 private:
  static at::Tensor pool(const ModelSpec& spec, const at::Tensor& normed, const MergedTokens& merged) {
    if (spec.pooling == Pooling::kToken) return normed.select(1, 0);
    const at::Tensor mean = mean_of_tokens(normed, spec.prefix_tokens(), merged);
    return spec.pooling == Pooling::kAverage ? mean : at::cat({normed.select(1, 0), mean}, 1);
  }
};

}  // namespace

const FamilyForward& vit_family() {
  static const Vit family;
  return family;
}

}  // namespace vitrim::model
