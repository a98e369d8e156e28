#pragma once
// timm's VisionTransformer and DeiT's distilled form.

#include "vitrim/model/model.h"

namespace vitrim::model {

std::vector<ParameterInfo> vit_parameter_layout(const ModelSpec& spec);

/// Position embedding [1, L, C] to the spec's grid and prefix; unchanged where it fits already or can't be a square grid.
at::Tensor resize_position_embedding(const at::Tensor& embedding, const ModelSpec& spec);

class VitModel : public Model {
 public:
  explicit VitModel(ModelSpec spec);
  at::Tensor embed(const at::Tensor& images) const override;
  at::Tensor run_block(int index, const at::Tensor& x, BlockGain gain, BlockTrace* trace, const DropPath& drop) const override;
  at::Tensor run_block_at(int index, const at::Tensor& x, const at::Tensor& tokens, BlockTrace* trace) const override;
  at::Tensor run_mlp(int index, const at::Tensor& y, BlockTrace* trace, const DropPath& drop) const override;
  Output finish(const at::Tensor& x) const override;

 private:
  /// Attention branch for queries at `tokens` (undefined: all), keys and values at all of x.
  at::Tensor attention(int index, const at::Tensor& x, const at::Tensor& tokens) const;
  std::vector<std::string> prefixes_;  // "blocks.0" ...
};

}  // namespace vitrim::model
