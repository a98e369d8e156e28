// timm's VisionTransformer and DeiT's distilled form.

#include <ATen/ATen.h>

#include "model/family.h"
#include "model/layout.h"

namespace vitrim::model {

namespace {

class Vit : public Family {
 public:
  std::string block_prefix(const ModelSpec&, int block) const override {
    return "blocks." + std::to_string(block) + ".";
  }

  void add_embedding(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    const int64_t dim = spec.embed_dim;
    if (spec.class_token) out.push_back({"cls_token", {1, 1, dim}});
    if (spec.distillation_token) out.push_back({"dist_token", {1, 1, dim}});
    if (spec.register_tokens > 0) out.push_back({"reg_token", {1, spec.register_tokens, dim}});
    out.push_back({"pos_embed", {1, spec.stage_grid(0).size() + embedded_prefix(spec), dim}});
    out.push_back({"patch_embed.proj.weight", {dim, spec.in_channels, spec.patch_size, spec.patch_size}});
    // A norm right behind the patch embedding makes its bias useless; timm leaves it out there.
    if (!spec.pre_norm) out.push_back({"patch_embed.proj.bias", {dim}});
    if (spec.pre_norm) add_norm(out, "norm_pre", dim);
  }
  void add_norms(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    if (spec.final_norm) add_norm(out, "norm", spec.embed_dim);
    if (spec.fc_norm) add_norm(out, "fc_norm", spec.embed_dim);
  }
  void add_classifier(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    Family::add_classifier(spec, out);
    if (spec.num_classes > 0 && spec.distillation_token)
      add_linear(out, "head_dist", spec.num_classes, spec.embed_dim);
  }
  int64_t embedding_macs(const ModelSpec& spec) const override {
    return spec.stage_grid(0).size() * spec.embed_dim * spec.in_channels * spec.patch_size * spec.patch_size;
  }

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

  std::vector<std::string> stream_writers(const ModelSpec& spec, int) const override {
    if (spec.pre_norm) return {"norm_pre.weight", "norm_pre.bias"};
    return {"cls_token",
            "dist_token",
            "reg_token",
            "pos_embed",
            "patch_embed.proj.weight",
            "patch_embed.proj.bias"};
  }

  at::Tensor fit(const ModelSpec& spec, const ParameterInfo& info, const at::Tensor& tensor) const override {
    if (info.name != "pos_embed" || tensor.dim() != 3 || tensor.size(2) != spec.embed_dim) return tensor;
    const int64_t prefix = embedded_prefix(spec);
    if (tensor.size(1) <= prefix) return tensor;
    const at::Tensor map = resize_positions(tensor.slice(1, prefix), spec.stage_grid(0));
    return prefix == 0 ? map : at::cat({tensor.slice(1, 0, prefix).to(at::kFloat), map.to(at::kFloat)}, 1);
  }

 private:
  static at::Tensor pool(const ModelSpec& spec, const at::Tensor& normed, const MergedTokens& merged) {
    if (spec.pooling == Pooling::kToken) return normed.select(1, 0);
    const at::Tensor mean = mean_of_tokens(normed, spec.prefix_tokens(), merged);
    return spec.pooling == Pooling::kAverage ? mean : at::cat({normed.select(1, 0), mean}, 1);
  }
  static int64_t embedded_prefix(const ModelSpec& spec) {
    return spec.embed_prefix_tokens ? spec.prefix_tokens() : 0;
  }
};

}  // namespace

const Family& vit_family() {
  static const Vit family;
  return family;
}

}  // namespace vitrim::model
