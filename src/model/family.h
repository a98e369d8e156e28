#pragma once
// What a family of models must say of itself: its embedding, the steps between its stages, its head, and how
// its parameters are called. Blocks are the same everywhere (model.cpp), kinds of attention have files of
// their own (attention.h).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vitrim/model/loading.h"
#include "vitrim/model/model.h"

namespace vitrim::model {

class Family {
 public:
  virtual ~Family() = default;

  /// "blocks.0."
  virtual std::string block_prefix(const ModelSpec& spec, int block) const = 0;
  /// "blocks.0.attn."; qkv and proj follow.
  virtual std::string attention_prefix(const ModelSpec& spec, int block) const {
    return block_prefix(spec, block) + "attn.";
  }
  virtual bool separate_q() const { return false; }
  /// Whether the MLP has a depthwise convolution between its layers (PVTv2).
  virtual bool mlp_convolution() const { return false; }

  /// Everything but the blocks, in stages' order.
  virtual void add_embedding(const ModelSpec& spec, std::vector<ParameterInfo>& out) const = 0;
  virtual void add_transition(const ModelSpec& spec, int stage, std::vector<ParameterInfo>& out) const;
  virtual void add_norms(const ModelSpec& spec, std::vector<ParameterInfo>& out) const = 0;
  virtual void add_classifier(const ModelSpec& spec, std::vector<ParameterInfo>& out) const;
  virtual int64_t embedding_macs(const ModelSpec& spec) const = 0;
  virtual int64_t transition_macs(const ModelSpec& spec, int stage) const;

  virtual at::Tensor embed(const Model& model, const at::Tensor& images) const = 0;
  /// From the end of stage - 1 to the stream before the first block of `stage`.
  virtual at::Tensor transition(const Model& model, int stage, const at::Tensor& x) const;
  virtual Output finish(const Model& model, const at::Tensor& x, const MergedTokens& merged) const = 0;

  /// The parameters that write to the stream of a stage before its first block: what takes a factor on the
  /// stream (DESIGN section 4).
  virtual std::vector<std::string> stream_writers(const ModelSpec& spec, int stage) const = 0;
  /// A loaded tensor made to fit `info`'s shape where only the size of the map differs; else as it is.
  virtual at::Tensor fit(const ModelSpec& spec, const ParameterInfo& info, const at::Tensor& tensor) const;
};

/// Throws std::invalid_argument on an unknown family.
const Family& family_of(const ModelSpec& spec);

// One a file.
const Family& vit_family();
const Family& swin_family();
const Family& flatten_swin_family();
const Family& pvt_family();
const Family& pvt_v2_family();
const Family& cswin_family();

/// Average over the patch tokens, and the linear classifier `head`: what all families but ViT do behind their
/// last norm.
Output classify_average(const Model& model, const at::Tensor& x, const std::string& head);
/// Convolution whose kernel is its stride, planes [B, C, H, W] -> [B, H / side * W / side, out], as one
/// matrix product, float32.
at::Tensor embed_patches(const Model& model, const at::Tensor& planes, int64_t side,
                         const std::string& prefix);
/// A position table [1, n, C] of a square map, resized to `grid` (bicubic, antialiased); as it is where n
/// fits or is no square.
at::Tensor resize_positions(const at::Tensor& table, Grid grid);
/// The same of a table whose map is known.
at::Tensor resize_positions(const at::Tensor& table, Grid from, Grid grid);
/// A map's tokens [B, N, C] as planes [B, C, H, W].
at::Tensor to_planes(const at::Tensor& x, Grid grid);

}  // namespace vitrim::model
