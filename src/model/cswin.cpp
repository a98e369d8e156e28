// CSwin with FLatten-Transformer's names (those of the original CSwin).

#include <ATen/ATen.h>

#include "model/family.h"
#include "model/layout.h"

namespace vitrim::model {

namespace {

class Cswin : public Family {
 public:
  std::string block_prefix(const ModelSpec& spec, int block) const override {
    const ModelSpec::Position at = spec.position(block);
    return "stage" + std::to_string(at.stage + 1) + "." + std::to_string(at.index) + ".";
  }
  std::string attention_prefix(const ModelSpec& spec, int block) const override {
    return block_prefix(spec, block);
  }

  void add_embedding(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    add_convolution(out, "stage1_conv_embed.0", spec.embed_dim, spec.in_channels, kFirstKernel);
    add_norm(out, "stage1_conv_embed.2", spec.embed_dim);
  }
  void add_transition(const ModelSpec& spec, int stage, std::vector<ParameterInfo>& out) const override {
    add_convolution(out, step(stage) + "conv", spec.stage_dim(stage), spec.stage_dim(stage - 1), kStepKernel);
    add_norm(out, step(stage) + "norm", spec.stage_dim(stage));
  }
  void add_norms(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    add_norm(out, "norm", spec.feature_dim());
  }
  int64_t embedding_macs(const ModelSpec& spec) const override {
    return spec.stage_grid(0).size() * spec.embed_dim * spec.in_channels * kFirstKernel * kFirstKernel;
  }
  int64_t transition_macs(const ModelSpec& spec, int stage) const override {
    return spec.stage_grid(stage).size() * spec.stage_dim(stage) * spec.stage_dim(stage - 1) * kStepKernel *
           kStepKernel;
  }

  at::Tensor embed(const Model& model, const at::Tensor& images) const override {
    return tokens(
        model,
        model.convolution(images.to(model.device()), "stage1_conv_embed.0", model.spec().patch_size, 2),
        "stage1_conv_embed.2");
  }
  at::Tensor transition(const Model& model, int stage, const at::Tensor& x) const override {
    return tokens(
        model,
        model.convolution(to_planes(x, model.spec().stage_grid(stage - 1)), step(stage) + "conv", 2, 1),
        step(stage) + "norm");
  }
  Output finish(const Model& model, const at::Tensor& x, const MergedTokens&) const override {
    return classify_average(model, model.layer_norm(x, "norm"), "head");
  }

  std::vector<std::string> stream_writers(const ModelSpec&, int stage) const override {
    const std::string norm = stage == 0 ? "stage1_conv_embed.2" : step(stage) + "norm";
    return {norm + ".weight", norm + ".bias"};
  }
  at::Tensor fit(const ModelSpec& spec, const ParameterInfo& info, const at::Tensor& tensor) const override {
    if (tensor.dim() != 3 || !info.name.ends_with(".positional_encoding") ||
        spec.blocks[static_cast<size_t>(info.block)].window > 0)
      return tensor;
    return resize_positions(tensor, spec.block_grid(info.block));
  }

 private:
  static constexpr int64_t kFirstKernel = 7, kStepKernel = 3;
  static std::string step(int stage) { return "merge" + std::to_string(stage) + "."; }
  static at::Tensor tokens(const Model& model, const at::Tensor& planes, const std::string& norm) {
    return model.layer_norm(planes.flatten(2).transpose(1, 2).to(at::kFloat), norm);
  }
};

}  // namespace

const Family& cswin_family() {
  static const Cswin family;
  return family;
}

}  // namespace vitrim::model
