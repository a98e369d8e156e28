#pragma once
// The computation of a family of models around its blocks: its embedding, the steps between its stages, and
// its head. Module architecture describes their structure. Blocks are equal in all families (model.cpp), and
// kinds of attention have separate files (attention.h).

#include <string>

#include "vitrim/architecture/stages.h"
#include "vitrim/model/model.h"

namespace vitrim::model {

class FamilyForward {
 public:
  virtual ~FamilyForward() = default;
  virtual at::Tensor embed(const Model& model, const at::Tensor& images) const = 0;
  /// From the end of stage `stage` - 1 to the stream before the first block of `stage`.
  virtual at::Tensor transition(const Model& model, int stage, const at::Tensor& x) const = 0;
  virtual Output finish(const Model& model, const at::Tensor& x, const MergedTokens& merged) const = 0;
};

/// Throws std::invalid_argument on an unknown family.
const FamilyForward& family_of(const ModelSpec& spec);

// One per file.
const FamilyForward& vit_family();
const FamilyForward& stages_family();  ///< Swin, PVT, CSwin and FLatten's forms of them

/// A convolution whose kernel equals its stride, as one matrix product: planes [B, C, H, W] -> [B, H / side *
/// W / side, out], float32.
at::Tensor embed_patches(const Model& model, const at::Tensor& planes, int64_t side,
                         const std::string& prefix);
/// A position table [1, n, C] of a map, resized to `grid` (bicubic, antialiased).
at::Tensor resize_positions(const at::Tensor& table, Grid from, Grid grid);
/// A map's tokens [B, N, C] as planes [B, C, H, W].
at::Tensor to_planes(const at::Tensor& x, Grid grid);

}  // namespace vitrim::model
