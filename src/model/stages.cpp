// The computation of StepLayout, for Swin, PVT, CSwin and FLatten's variants of them.

#include <ATen/ATen.h>

#include "model/family.h"

namespace vitrim::model {

namespace {

using architecture::StepLayout;

class Stages : public FamilyForward {
 public:
  at::Tensor embed(const Model& model, const at::Tensor& images) const override {
    return begin_stage(model, 0, images.to(model.device()));
  }

  at::Tensor transition(const Model& model, int stage, const at::Tensor& x) const override {
    const StepLayout step = architecture::step_layout(model.spec(), stage);
    if (step.linear) return merge_patches(model, stage, step, x);
    const at::Tensor end = step.norm_before.empty() ? x : model.layer_norm(x, step.norm_before);
    return begin_stage(model, stage, to_planes(end, model.spec().stage_grid(stage - 1)));
  }

  Output finish(const Model& model, const at::Tensor& x, const MergedTokens&) const override {
    const ModelSpec& spec = model.spec();
    const std::string norm = architecture::final_norm_name(spec);
    Output out;
    out.features = (norm.empty() ? x : model.layer_norm(x, norm)).mean(1);
    if (spec.num_classes > 0)
      out.logits = model.linear(out.features, architecture::head_name(spec)).to(at::kFloat);
    return out;
  }

 private:
  // Four neighbours become one token; the lower one comes before the right one.
  static at::Tensor merge_patches(const Model& model, int stage, const StepLayout& step,
                                  const at::Tensor& x) {
    const Grid grid = model.spec().stage_grid(stage);
    const at::Tensor merged = x.reshape({x.size(0), grid.height, 2, grid.width, 2, x.size(2)})
                                  .permute({0, 1, 3, 4, 2, 5})
                                  .reshape({x.size(0), grid.size(), -1});
    return model.linear(model.layer_norm(merged, step.norm_patch), step.projection).to(at::kFloat);
  }

  static at::Tensor begin_stage(const Model& model, int stage, const at::Tensor& planes) {
    const StepLayout step = architecture::step_layout(model.spec(), stage);
    at::Tensor x = step.kernel == step.stride
                       ? embed_patches(model, planes, step.stride, step.projection)
                       : model.convolution(planes, step.projection, step.stride, step.padding)
                             .flatten(2)
                             .transpose(1, 2)
                             .to(at::kFloat);
    if (!step.norm_after.empty()) x = model.layer_norm(x, step.norm_after);
    return step.positions.empty() ? x : x + model.parameter(step.positions);
  }
};

}  // namespace

const FamilyForward& stages_family() {
  static const Stages family;
  return family;
}

}  // namespace vitrim::model
