#pragma once
// A vision transformer built from its ModelSpec, run block by block, so that analysis, absorption and
// dilution can look into it.

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "vitrim/architecture/parameters.h"
#include "vitrim/core/model_spec.h"
#include "vitrim/model/merged_tokens.h"
#include "vitrim/model/state_dict.h"

namespace vitrim::model {

/// How a block's attention enters the stream: y = stream * x + branch * A(LN1 x). At branch = 0 the attention
/// is not computed.
struct BlockGain {
  double stream = 1;
  double branch = 1;
  bool operator==(const BlockGain&) const = default;
};
inline constexpr BlockGain kKeep{1, 1};      ///< the model as it is
inline constexpr BlockGain kSkip{1, 0};      ///< NOSE's `drop` mask: y = x
inline constexpr BlockGain kIdentity{2, 0};  ///< NOSE's `identity` mask: y = 2x, a fully diluted layer
/// Dilution at lambda in [0, 1]: y = (2 - lambda) x + lambda A(LN1 x) (NOSE, section on dilution learning).
inline BlockGain diluted(double lambda) { return {2 - lambda, lambda}; }

/// Stochastic depth (Huang et al. 2016): per image and branch 0 or 1 / (1 - rate), [B, 1, 1] in the compute
/// dtype; undefined: no drop. In a diluted block y = (2 - lambda) x + lambda * attention * A(LN1 x).
struct DropPath {
  at::Tensor attention, mlp;
};

/// What accompanies a stream from block to block.
struct BlockContext {
  DropPath drop;  ///< for training
  MergedTokens* merged =
      nullptr;  ///< blocks whose spec says so merge tokens, and keep count here; null: no block merges
};

/// What a block computed on its way, for those who ask. Undefined tensors where a part did not run.
struct BlockTrace {
  at::Tensor input;  ///< [B, N, C] x as the block sees it: after the stage's beginning, where it has one
  at::Tensor
      mixed;  ///< [B, N, num_heads * v_dim] input of the attention's last projection, in the compute dtype
  at::Tensor attention;        ///< [B, N, C] attention branch, before the residual sum
  at::Tensor after_attention;  ///< [B, N, C] y
  at::Tensor hidden;           ///< [B, N, mlp_dim] after the activation, fc2's input, in the compute dtype
  at::Tensor mlp;              ///< [B, N, C] MLP branch, before the residual sum
};

/// What comes out at the top.
struct Output {
  at::Tensor features;  ///< [B, C] after the final norm and pooling (CLS where there is one); affine-free
                        ///< LayerNorm where the model has no final norm
  at::Tensor logits;    ///< [B, num_classes]; undefined without a classifier. Of a model for segmentation [B,
                        ///< num_classes, h, w], the head's own map
  at::Tensor head,
      head_dist;  ///< of a model with a distillation token: what either head says; `logits` is their mean
};

/// Streams that a head reads besides the last one, in order: those after the blocks that
/// ModelSpec::segmentation names, without the last. Whoever runs a model block by block collects them with
/// Model::keep_intermediate(); of a classifier there are none.
using Intermediates = std::vector<at::Tensor>;

/// Factors on channels: what a pruned model is before it is cut (docs/pruning.md). Undefined: none. A factor
/// 0 takes the channel out everywhere it counts, norms included, so that the cut model computes the same.
struct ChannelGates {
  at::Tensor qk;   ///< [num_heads, qk_dim]
  at::Tensor v;    ///< [num_heads, v_dim]
  at::Tensor mlp;  ///< [mlp_dim]
};

class FamilyForward;
struct AttendRequest;

/// A model. Parameters are float32, the weights of int8 layers int8 (those layers compute exact integers
/// times scales, quantized.h); `set_compute_dtype` chooses the dtype of the matrix products, the stream
/// between blocks stays float32. All functions are const and thread-safe as long as nobody changes parameters
/// or gates.
class Model {
 public:
  const ModelSpec& spec() const { return spec_; }
  int num_blocks() const { return static_cast<int>(spec_.blocks.size()); }

  /// float32 or bfloat16 for matrix products and attention.
  void set_compute_dtype(at::ScalarType dtype);
  at::ScalarType compute_dtype() const { return compute_dtype_; }

  /// images float32 [B, in_channels, H, W], normalised -> stream before block 0, float32 [B, N, C].
  at::Tensor embed(const at::Tensor& images) const;
  /// One block. x float32 [B, N, C] -> z [B, N, C]; the first block of a later stage begins with the step
  /// that halves the map, so there z's N and C are not x's. `trace` may be null. Whoever looks into a model
  /// block by block sees all its tokens; with `context.merged` a block that merges hands N - merge tokens on,
  /// unless its gain takes from its attention: only attention that counts in full merges.
  at::Tensor run_block(int index, const at::Tensor& x, BlockGain gain, BlockTrace* trace,
                       const BlockContext& context = {}) const;
  /// One block at some tokens only: x [B, N, C], tokens int64 [T] (of the block's own map) -> z [B, T, C].
  /// Keys and values come from all tokens, so the result equals run_block's at those tokens. Where attention
  /// is global everything else is computed for T tokens; other kinds compute all tokens' attention. For fits
  /// on a sample of tokens.
  at::Tensor run_block_at(int index, const at::Tensor& x, const at::Tensor& tokens, BlockTrace* trace) const;
  /// The block's MLP half alone, from y [B, N, C]: what `run_block` does after the attention.
  at::Tensor run_mlp(int index, const at::Tensor& y, BlockTrace* trace, const DropPath& drop = {}) const;
  /// Keeps the stream x after block `index` where the head reads it there.
  void keep_intermediate(int index, const at::Tensor& x, Intermediates& intermediates) const;
  /// Stream after the last block, and what was extended below -> features and logits, float32. Throws
  /// std::invalid_argument where intermediates are missing.
  Output finish(const at::Tensor& x, const MergedTokens& merged = {},
                const Intermediates& intermediates = {}) const;
  /// The whole model, tokens merged as its spec says. `gains` has one entry per block, or none (all kKeep).
  Output forward(const at::Tensor& images, const std::vector<BlockGain>& gains = {}) const;

  const StateDict& parameters() const { return parameters_; }
  const at::Tensor& parameter(const std::string& name) const { return parameters_.at(name); }
  bool has_parameter(const std::string& name) const { return parameters_.contains(name); }
  /// Replaces a parameter's value (same shape, else std::invalid_argument).
  void set_parameter(const std::string& name, const at::Tensor& value);
  /// The same, made trainable: the parameter becomes `leaf` itself, which an optimiser may change in place.
  void bind_parameter(const std::string& name, const at::Tensor& leaf);
  /// Names of block `index`'s parameters.
  std::vector<std::string> block_parameters(int index) const;
  /// The preprocessing that the spec carries from now on.
  void set_preprocess(const PreprocessSpec& preprocess) { spec_.preprocess = preprocess; }
  /// How many pairs of tokens each block merges from now on ([num_blocks]); std::invalid_argument where the
  /// spec would not be valid.
  void set_merging(const std::vector<int64_t>& pairs);
  /// Moves the parameters; images must then be on that device.
  void set_device(at::Device device);
  at::Device device() const;
  /// To be called after parameters were changed in place (by an optimiser): what was cast from them is cast
  /// anew.
  void forget_casts();
  /// Marks every parameter as needing a gradient (or not). Throws vitrim::Error where layers are int8.
  void set_requires_grad(bool needed);
  /// The same model for images of another size, sides multiples of size_unit(): it shares the parameters but
  /// for a position embedding, which is resized. Throws std::invalid_argument where the size does not fit.
  std::unique_ptr<Model> at_size(int64_t height, int64_t width) const;
  /// A second model with copies of the parameters.
  std::unique_ptr<Model> clone() const;

  /// Factors on the channels of block `index` from now on (shapes are checked; std::invalid_argument). They
  /// are no parameters and are not saved.
  void set_gates(int index, const ChannelGates& gates);
  const ChannelGates& gates(int index) const { return gates_[static_cast<size_t>(index)]; }

  // For families and kinds of attention:
  /// The parameter in the compute dtype; cached unless a gradient flows through it. Undefined tensor where
  /// there is no such parameter.
  at::Tensor compute_weight(const std::string& name) const;
  at::Tensor optional_parameter(const std::string& name) const;
  /// x in the compute dtype times `prefix.weight`, plus `prefix.bias` where there is one; with `end` >= 0 of
  /// the weight's rows [begin, end) alone.
  at::Tensor linear(const at::Tensor& x, const std::string& prefix, int64_t begin = 0,
                    int64_t end = -1) const;
  /// 2-d convolution with `prefix.weight` and `prefix.bias`, in the compute dtype, its kernel's middle at the
  /// input's edge where `padding` is half of it.
  at::Tensor convolution(const at::Tensor& maps, const std::string& prefix, int64_t stride, int64_t padding,
                         int64_t groups = 1) const;
  /// LayerNorm over the last dimension with `prefix.weight`, `prefix.bias`, in the dtype of x.
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

/// What a model says of images, in a form that many images' answers can be kept in and compared: logits [B,
/// num_classes]; of a model for segmentation [B, num_classes, p], those of up to 256 places spread over the
/// map; features [B, feature_dim] without a classifier.
at::Tensor answers(const ModelSpec& spec, const Output& out);
/// The shape of answers() for `images` images.
std::vector<int64_t> answers_shape(const ModelSpec& spec, int64_t images);

/// Builds the model and copies the weights in (as float32). Throws FormatError that lists every missing,
/// surplus and misshaped tensor. Position embeddings of another grid are resized (bicubic, antialiased, as
/// timm does); known buffers are no surplus.
std::unique_ptr<Model> make_model(const ModelSpec& spec, const StateDict& weights);
/// Builds the model with random weights, as timm's `jax` scheme does: Xavier-uniform matrices, zero biases,
/// unit norms; classifier, tokens and position embedding normal 0.02 (truncated).
std::unique_ptr<Model> make_random_model(const ModelSpec& spec, uint64_t seed);

/// bfloat16 where the CPU multiplies it in hardware (AVX-512 BF16 or AMX), else float32.
at::ScalarType fast_dtype();
/// "f32", "bf16" or "auto" (fast_dtype()); throws std::invalid_argument.
at::ScalarType parse_compute_dtype(const std::string& name);

}  // namespace vitrim::model
