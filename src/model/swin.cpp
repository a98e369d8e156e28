// Swin under timm's names, and under FLatten-Transformer's, which has the steps between stages at the end of
// the stage before.

#include <ATen/ATen.h>

#include "model/family.h"
#include "model/layout.h"

namespace vitrim::model {

namespace {

class Swin : public Family {
 public:
  explicit Swin(bool flatten) : flatten_(flatten) {}

  std::string block_prefix(const ModelSpec& spec, int block) const override {
    const ModelSpec::Position at = spec.position(block);
    return "layers." + std::to_string(at.stage) + ".blocks." + std::to_string(at.index) + ".";
  }
  void add_embedding(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    add_convolution(out, "patch_embed.proj", spec.embed_dim, spec.in_channels, spec.patch_size);
    add_norm(out, "patch_embed.norm", spec.embed_dim);
  }
  void add_transition(const ModelSpec& spec, int stage, std::vector<ParameterInfo>& out) const override {
    add_norm(out, step(stage) + "norm", 4 * spec.stage_dim(stage - 1));
    add_linear(out, step(stage) + "reduction", spec.stage_dim(stage), 4 * spec.stage_dim(stage - 1),
               /*bias=*/false);
  }
  void add_norms(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    add_norm(out, "norm", spec.feature_dim());
  }
  void add_classifier(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    if (spec.num_classes > 0) add_linear(out, head(), spec.num_classes, spec.feature_dim());
  }
  int64_t embedding_macs(const ModelSpec& spec) const override {
    return spec.stage_grid(0).size() * spec.embed_dim * spec.in_channels * spec.patch_size * spec.patch_size;
  }
  int64_t transition_macs(const ModelSpec& spec, int stage) const override {
    return spec.stage_grid(stage).size() * 4 * spec.stage_dim(stage - 1) * spec.stage_dim(stage);
  }

  at::Tensor embed(const Model& model, const at::Tensor& images) const override {
    return model.layer_norm(embed_patches(model, images, model.spec().patch_size, "patch_embed.proj"),
                            "patch_embed.norm");
  }
  at::Tensor transition(const Model& model, int stage, const at::Tensor& x) const override {
    const Grid grid = model.spec().stage_grid(stage);
    // Four neighbours become one token; the lower one comes before the right one.
    const at::Tensor merged = x.reshape({x.size(0), grid.height, 2, grid.width, 2, x.size(2)})
                                  .permute({0, 1, 3, 4, 2, 5})
                                  .reshape({x.size(0), grid.size(), -1});
    return model.linear(model.layer_norm(merged, step(stage) + "norm"), step(stage) + "reduction")
        .to(at::kFloat);
  }
  Output finish(const Model& model, const at::Tensor& x, const MergedTokens&) const override {
    return classify_average(model, model.layer_norm(x, "norm"), head());
  }

  std::vector<std::string> stream_writers(const ModelSpec&, int stage) const override {
    if (stage == 0) return {"patch_embed.norm.weight", "patch_embed.norm.bias"};
    return {step(stage) + "reduction.weight"};
  }

 private:
  std::string step(int stage) const {
    return "layers." + std::to_string(flatten_ ? stage - 1 : stage) + ".downsample.";
  }
  std::string head() const { return flatten_ ? "head" : "head.fc"; }
  bool flatten_;
};

}  // namespace

const Family& swin_family() {
  static const Swin family(false);
  return family;
}

const Family& flatten_swin_family() {
  static const Swin family(true);
  return family;
}

}  // namespace vitrim::model
