#pragma once
// A vision transformer built from its ModelSpec. It runs block by block, so that analysis, absorption and
// dilution can inspect and change it.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "vitrim/architecture/parameters.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/model/merged_tokens.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::model {

/// Factors on the two terms of a block's first half: y = stream * x + branch * A(LN1 x). With branch = 0 the
/// attention is not computed.
struct BlockGain {
  double stream = 1;
  double branch = 1;
  bool operator==(const BlockGain&) const = default;
};
inline constexpr BlockGain kKeep{1, 1};      ///< the unchanged model
inline constexpr BlockGain kSkip{1, 0};      ///< NOSE's `drop` mask: y = x
inline constexpr BlockGain kIdentity{2, 0};  ///< NOSE's `identity` mask: y = 2x, a fully diluted layer
/// Dilution at lambda in [0, 1]: y = (2 - lambda) x + lambda A(LN1 x) (NOSE, section on dilution learning).
inline BlockGain diluted(double lambda) { return {2 - lambda, lambda}; }

/// Stochastic depth (Huang et al. 2016): for each image and branch a factor 0 or 1 / (1 - rate), [B, 1, 1] in
/// the compute dtype; undefined: no drop. A diluted block computes y = (2 - lambda) x + lambda * attention *
/// A(LN1 x).
struct DropPath {
  at::Tensor attention, mlp;
};

/// State that is passed with a stream from block to block.
struct BlockContext {
  DropPath drop;  ///< for training
  MergedTokens* merged =
      nullptr;  ///< blocks merge tokens as their spec states and record it here; null: no block merges
};

/// Intermediate results of a block, on request. The tensor of a part that did not run is undefined.
struct BlockTrace {
  at::Tensor input;  ///< [B, N, C] input x of the block, after the step that begins a stage if there is one
  at::Tensor
      mixed;  ///< [B, N, num_heads * v_dim] input of the attention's last projection, in the compute dtype
  at::Tensor attention;        ///< [B, N, C] attention branch, before the residual sum
  at::Tensor after_attention;  ///< [B, N, C] y
  at::Tensor hidden;           ///< [B, N, mlp_dim] after the activation: fc2's input, in the compute dtype
  at::Tensor mlp;              ///< [B, N, C] MLP branch, before the residual sum
};

/// The outputs of a model.
struct Output {
  at::Tensor features;  ///< [B, C] after the final norm and pooling (CLS if there is one); if the model has
                        ///< no final norm, LayerNorm without weights
  at::Tensor logits;  ///< [B, num_classes]; undefined without a classifier. For segmentation [B, num_classes,
                      ///< h, w], the head's own map
  at::Tensor head,
      head_dist;  ///< logits of each of the two heads of a model with a distillation token; `logits` is their
                  ///< mean
};

/// The streams that a segmentation head reads in addition to the last one, in order: those after the blocks
/// in ModelSpec::segmentation except the last. Code that runs a model block by block collects them with
/// Model::keep_intermediate(). Empty for a classifier.
using Intermediates = std::vector<at::Tensor>;

/// Factors on channels, which stand for a pruned model before it is cut (docs/pruning.md). Undefined: no
/// factors. A factor 0 removes the channel everywhere, also from norms, so that the cut model computes the
/// same.
struct ChannelGates {
  at::Tensor qk;   ///< [num_heads, qk_dim]
  at::Tensor v;    ///< [num_heads, v_dim]
  at::Tensor mlp;  ///< [mlp_dim]
};

class FamilyForward;
struct AttendRequest;

/// A model with its parameters. Parameters are float32; the weights of int8 layers are int8 (those layers
/// compute exact integer sums times scales, see quantized.h). set_compute_dtype() chooses the dtype of matrix
/// products; the stream between blocks stays float32. All const functions are thread-safe as long as no
/// thread changes parameters or gates.
class Model {
 public:
  const ModelSpec& spec() const { return spec_; }
  int num_blocks() const { return static_cast<int>(spec_.blocks.size()); }

  /// Sets the dtype of matrix products and attention: float32 or bfloat16.
  void set_compute_dtype(at::ScalarType dtype);
  at::ScalarType compute_dtype() const { return compute_dtype_; }

  /// The embedding: images float32 [B, in_channels, H, W], normalised -> the stream before block 0, float32
  /// [B, N, C]. Throws std::invalid_argument on another shape.
  at::Tensor embed(const at::Tensor& images) const;
  /// Runs one block: x float32 [B, N, C] -> z [B, N, C]. The first block of a later stage begins with the
  /// step that halves the map, so N and C of z differ from those of x. `trace` may be null. By default no
  /// block merges tokens. With `context.merged`, a block that merges returns N - merge tokens, unless its
  /// gain reduces its attention: only a block with branch = 1 merges.
  at::Tensor run_block(int index, const at::Tensor& x, BlockGain gain, BlockTrace* trace,
                       const BlockContext& context = {}) const;
  /// Runs one block at some tokens only: x [B, N, C], tokens int64 [T] (of the block's own map) -> z [B, T,
  /// C]. Keys and values come from all tokens, so the result equals that of run_block() at those tokens. With
  /// global attention, everything else is computed for T tokens only; other kinds compute the attention of
  /// all tokens. For fits on a sample of tokens.
  at::Tensor run_block_at(int index, const at::Tensor& x, const at::Tensor& tokens, BlockTrace* trace) const;
  /// Runs only the MLP half of a block, from y [B, N, C]: the part of run_block() that follows the attention.
  at::Tensor run_mlp(int index, const at::Tensor& y, BlockTrace* trace, const DropPath& drop = {}) const;
  /// Stores the stream x after block `index` in `intermediates` if the segmentation head reads it there.
  void keep_intermediate(int index, const at::Tensor& x, Intermediates& intermediates) const;
  /// The end of the model: stream after the last block and intermediates -> features and logits, float32.
  /// Throws std::invalid_argument if intermediates are missing.
  Output finish(const at::Tensor& x, const MergedTokens& merged = {},
                const Intermediates& intermediates = {}) const;
  /// Runs the whole model; tokens are merged as its spec states. `gains` has one entry per block, or is empty
  /// (all kKeep).
  Output forward(const at::Tensor& images, const std::vector<BlockGain>& gains = {}) const;

  const StateDict& parameters() const { return parameters_; }
  const at::Tensor& parameter(const std::string& name) const { return parameters_.at(name); }
  bool has_parameter(const std::string& name) const { return parameters_.contains(name); }
  /// Replaces a parameter's value (same shape, else std::invalid_argument).
  void set_parameter(const std::string& name, const at::Tensor& value);
  /// Replaces a parameter by `leaf` itself, which an optimiser may change in place.
  void bind_parameter(const std::string& name, const at::Tensor& leaf);
  /// Names of block `index`'s parameters.
  std::vector<std::string> block_parameters(int index) const;
  /// Sets the preprocessing in the spec.
  void set_preprocess(const PreprocessSpec& preprocess) { spec_.preprocess = preprocess; }
  /// Sets how many pairs of tokens each block merges ([num_blocks]). Throws std::invalid_argument if the spec
  /// would not be valid.
  void set_merging(const std::vector<int64_t>& pairs);
  /// Moves the parameters to a device; images must then be on that device.
  void set_device(at::Device device);
  at::Device device() const;
  /// Drops cached casts of parameters. Call it after parameters were changed in place (by an optimiser).
  void forget_casts();
  /// Sets whether every parameter needs a gradient. Throws vitrim::Error if layers are int8.
  void set_requires_grad(bool needed);
  /// The same model for images of another size in pixels; the sides must be multiples of size_unit(). It
  /// shares all parameters except a position embedding, which is resized. Throws std::invalid_argument if the
  /// size does not fit.
  std::unique_ptr<Model> at_size(int64_t height, int64_t width) const;
  /// A second model with copies of the parameters.
  std::unique_ptr<Model> clone() const;

  /// Sets the factors on the channels of block `index`. Throws std::invalid_argument on wrong shapes. Gates
  /// are not parameters and are not saved.
  void set_gates(int index, const ChannelGates& gates);
  const ChannelGates& gates(int index) const { return gates_[static_cast<size_t>(index)]; }

  // The functions below are for families and kinds of attention.
  /// The parameter in the compute dtype, cached unless a gradient flows through it. An undefined tensor if
  /// there is no such parameter.
  at::Tensor compute_weight(const std::string& name) const;
  at::Tensor optional_parameter(const std::string& name) const;
  /// A linear layer: x in the compute dtype times `prefix.weight`, plus `prefix.bias` if there is one. With
  /// `end` >= 0, only the rows [begin, end) of the weight are used.
  at::Tensor linear(const at::Tensor& x, const std::string& prefix, int64_t begin = 0,
                    int64_t end = -1) const;
  /// 2-d convolution with `prefix.weight` and `prefix.bias` in the compute dtype; `padding` zeros are added
  /// on every side.
  at::Tensor convolution(const at::Tensor& maps, const std::string& prefix, int64_t stride, int64_t padding,
                         int64_t groups = 1) const;
  /// LayerNorm over the last dimension with `prefix.weight` and `prefix.bias`, in the dtype of x.
  at::Tensor layer_norm(const at::Tensor& x, const std::string& prefix) const;

 private:
  explicit Model(ModelSpec spec);
  at::Tensor enter(int index, const at::Tensor& x) const;
  at::Tensor attention(int index, const at::Tensor& x, const AttendRequest& request, BlockTrace* trace) const;

  friend std::unique_ptr<Model> make_model(const ModelSpec&, const StateDict&);
  ModelSpec spec_;
  const FamilyForward& family_;
  std::vector<std::string> prefixes_;  // "blocks.0." ...
  std::vector<ChannelGates> gates_;
  StateDict parameters_;
  at::ScalarType compute_dtype_ = at::kFloat;

  struct Cache;
  std::shared_ptr<Cache> cache_;
};

/// The outputs that vitrim keeps to compare models on many images: logits [B, num_classes]; for segmentation
/// [B, num_classes, p], the logits of up to 256 places spread over the map; without a classifier the features
/// [B, feature_dim].
at::Tensor answers(const ModelSpec& spec, const Output& out);
/// The shape of answers() for `images` images.
std::vector<int64_t> answers_shape(const ModelSpec& spec, int64_t images);

/// Builds the model and copies the weights into it (as float32). Position embeddings of another grid are
/// resized (bicubic, antialiased, as in timm); buffers of reference implementations are ignored. Throws
/// FormatError that lists every missing, surplus and misshaped tensor.
std::unique_ptr<Model> make_model(const ModelSpec& spec, const StateDict& weights);
/// Builds the model with random weights, as timm's `jax` scheme: Xavier-uniform matrices, zero biases, unit
/// norms; classifier, tokens and position embedding normal 0.02 (truncated).
std::unique_ptr<Model> make_random_model(const ModelSpec& spec, uint64_t seed);

/// bfloat16 if the CPU multiplies it in hardware (AVX-512 BF16 or AMX), else float32.
at::ScalarType fast_dtype();
/// Parses "f32", "bf16" or "auto" (fast_dtype()); throws std::invalid_argument on anything else.
at::ScalarType parse_compute_dtype(const std::string& name);

}  // namespace vitrim::model
