// PVT and PVTv2 with FLatten-Transformer's names (for softmax attention also those of the original PVTv2).
// PVT's final norm is in the checkpoints, but not used.

#include <ATen/ATen.h>

#include "model/family.h"
#include "model/layout.h"

namespace vitrim::model {

namespace {

class Pvt : public Family {
 public:
  /// Version 2: overlapping patches, a norm at each stage's end, no position embedding, a depthwise
  /// convolution in the MLP.
  explicit Pvt(bool second) : second_(second) {}

  std::string block_prefix(const ModelSpec& spec, int block) const override {
    const ModelSpec::Position at = spec.position(block);
    return numbered("block", at.stage) + "." + std::to_string(at.index) + ".";
  }
  bool separate_q() const override { return true; }
  bool mlp_convolution() const override { return second_; }

  void add_embedding(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    add_transition(spec, 0, out);
  }
  void add_transition(const ModelSpec& spec, int stage, std::vector<ParameterInfo>& out) const override {
    const int64_t dim = spec.stage_dim(stage);
    if (!second_) out.push_back({numbered("pos_embed", stage), {1, spec.stage_grid(stage).size(), dim}});
    add_convolution(out, numbered("patch_embed", stage) + ".proj", dim, input_channels(spec, stage),
                    kernel(spec, stage));
    add_norm(out, numbered("patch_embed", stage) + ".norm", dim);
    if (second_ && stage > 0) add_norm(out, numbered("norm", stage - 1), spec.stage_dim(stage - 1));
  }
  void add_norms(const ModelSpec& spec, std::vector<ParameterInfo>& out) const override {
    add_norm(out, second_ ? numbered("norm", spec.num_stages() - 1) : "norm", spec.feature_dim());
    for (size_t i = out.size() - 2; i < out.size(); ++i) out[i].used = second_;
  }
  int64_t embedding_macs(const ModelSpec& spec) const override { return transition_macs(spec, 0); }
  int64_t transition_macs(const ModelSpec& spec, int stage) const override {
    return spec.stage_grid(stage).size() * spec.stage_dim(stage) * input_channels(spec, stage) *
           kernel(spec, stage) * kernel(spec, stage);
  }

  at::Tensor embed(const Model& model, const at::Tensor& images) const override {
    return begin_stage(model, 0, images.to(model.device()));
  }
  at::Tensor transition(const Model& model, int stage, const at::Tensor& x) const override {
    const at::Tensor end = second_ ? model.layer_norm(x, numbered("norm", stage - 1)) : x;
    return begin_stage(model, stage, to_planes(end, model.spec().stage_grid(stage - 1)));
  }
  Output finish(const Model& model, const at::Tensor& x, const MergedTokens&) const override {
    return classify_average(
        model, second_ ? model.layer_norm(x, numbered("norm", model.spec().num_stages() - 1)) : x, "head");
  }

  std::vector<std::string> stream_writers(const ModelSpec&, int stage) const override {
    std::vector<std::string> names = {numbered("patch_embed", stage) + ".norm.weight",
                                      numbered("patch_embed", stage) + ".norm.bias"};
    if (!second_) names.push_back(numbered("pos_embed", stage));
    return names;
  }
  at::Tensor fit(const ModelSpec& spec, const ParameterInfo& info, const at::Tensor& tensor) const override {
    if (tensor.dim() != 3) return tensor;
    for (int stage = 0; stage < spec.num_stages(); ++stage) {
      if (info.name == numbered("pos_embed", stage)) return resize_positions(tensor, spec.stage_grid(stage));
    }
    if (!info.name.ends_with(".positional_encoding")) return tensor;
    const Grid grid = spec.block_grid(info.block);
    const int64_t ratio = spec.blocks[static_cast<size_t>(info.block)].sr_ratio;
    return resize_positions(tensor, {grid.height / ratio, grid.width / ratio});
  }

 private:
  static std::string numbered(const char* name, int stage) { return name + std::to_string(stage + 1); }
  static int64_t input_channels(const ModelSpec& spec, int stage) {
    return stage == 0 ? spec.in_channels : spec.stage_dim(stage - 1);
  }
  int64_t kernel(const ModelSpec& spec, int stage) const {
    if (second_) return stage == 0 ? 7 : 3;
    return stage == 0 ? spec.patch_size : 2;
  }
  at::Tensor begin_stage(const Model& model, int stage, const at::Tensor& planes) const {
    const std::string name = numbered("patch_embed", stage);
    const int64_t stride = stage == 0 ? model.spec().patch_size : 2;
    const at::Tensor x =
        second_ ? model.convolution(planes, name + ".proj", stride, kernel(model.spec(), stage) / 2)
                      .flatten(2)
                      .transpose(1, 2)
                      .to(at::kFloat)
                : embed_patches(model, planes, stride, name + ".proj");
    const at::Tensor normed = model.layer_norm(x, name + ".norm");
    return second_ ? normed : normed + model.parameter(numbered("pos_embed", stage));
  }
  bool second_;
};

}  // namespace

const Family& pvt_family() {
  static const Pvt family(false);
  return family;
}

const Family& pvt_v2_family() {
  static const Pvt family(true);
  return family;
}

}  // namespace vitrim::model
