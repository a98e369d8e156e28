#pragma once
// An architecture as plain data. Every model is built from its ModelSpec, every surgery maps (ModelSpec,
// weights) to (ModelSpec', weights'), and the spec travels in a checkpoint's safetensors metadata under
// kSpecMetadataKey.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// Key of the ModelSpec's JSON in a checkpoint's metadata.
inline constexpr const char* kSpecMetadataKey = "vitrim.spec";

/// The kinds of attention that a block can have. kNone is a block whose attention was removed (y = x, then
/// the MLP). src/model/attention_*.cpp computes them, one file per kind; docs/attention.md shows how to add
/// one.
enum class AttentionKind {
  kNone,
  kSoftmax,  ///< all tokens attend to all tokens; with sr_ratio > 1, keys and values come from a smaller map
             ///< (PVT)
  kWindow,   ///< softmax within (shifted) windows, with a relative position bias (Swin)
  kFocusedLinear,       ///< focused linear attention over the whole map, a smaller map, or windows (FLatten)
  kCrossShapedWindow,   ///< softmax within stripes: half of the heads across the map, half down (CSwin)
  kCrossFocusedLinear,  ///< focused linear attention within such stripes (FLatten-CSwin)
  kStatic,  ///< fixed depthwise filters over the map of values, plus fixed shares of the map's mean and of
            ///< the prefix tokens (docs/static.md)
};

/// How tokens are pooled into the feature that the classifier reads.
enum class Pooling {
  kToken,            ///< the class token
  kAverage,          ///< the mean of the patch tokens
  kTokenAndAverage,  ///< the class token, followed by the mean of the patch tokens: twice as wide (the
                     ///< classifiers of transformers' DINOv2)
};

/// The activation function of the MLPs.
enum class Activation {
  kGelu,       ///< x Phi(x)
  kGeluTanh,   ///< the approximation of GELU with tanh
  kQuickGelu,  ///< x sigmoid(1.702 x) (CLIP)
  kRelu,
  kSilu,  ///< x sigmoid(x)
};

enum class Interpolation { kBicubic, kBilinear };

/// How an image becomes the model's input: resize the short side (or both sides, with squash), centre crop,
/// then (x / 255 - mean) / std.
struct PreprocessSpec {
  std::array<double, 3> mean{0.5, 0.5, 0.5};
  std::array<double, 3> std{0.5, 0.5, 0.5};
  std::optional<int64_t> resize;  ///< target length of the short side in pixels; empty: no resize
  int64_t crop = 224;             ///< side of the centre crop in pixels
  Interpolation interpolation = Interpolation::kBicubic;
  bool squash =
      false;  ///< resize both sides to `resize` without keeping the proportions (transformers' ViTs)
  bool operator==(const PreprocessSpec&) const = default;
};

/// Which linear layers of a block are int8: weights with one scale per output channel, inputs with one scale
/// per token (docs/quantization.md).
struct QuantizedLayers {
  bool qkv = false;  ///< qkv, or q and kv, or v, whichever the block has
  bool proj = false;
  bool fc1 = false;
  bool fc2 = false;
  bool any() const { return qkv || proj || fc1 || fc2; }
  bool operator==(const QuantizedLayers&) const = default;
};

/// One transformer block: y = g x + A(LN1 x), z = y + M(LN2 y) with g = stream_gain.
struct BlockSpec {
  AttentionKind attention = AttentionKind::kSoftmax;
  int64_t embed_dim = 0;     ///< width of the stream
  int64_t num_heads = 0;     ///< 0 if there is no attention, as for qk_dim and v_dim
  int64_t qk_dim = 0;        ///< q and k channels per head; 0 in static attention, which has no q and k
  int64_t v_dim = 0;         ///< v channels per head
  int64_t mlp_dim = 0;       ///< hidden width of the MLP; for a gated MLP the width after the gate
  double stream_gain = 1.0;  ///< factor on the stream; it differs from 1 only if the factor 2 of a removed
                             ///< layer was not folded into the weights
  int64_t window = 0;        ///< side of a window or width of a stripe, in tokens; 0: the whole map
  int64_t shift = 0;         ///< shift of the windows in tokens
  int64_t sr_ratio = 1;      ///< spatial reduction of the map that keys and values come from
  int64_t merge = 0;   ///< number of token pairs merged after the attention (ToMe); only for plain softmax
                       ///< attention over one map
  int64_t filter = 0;  ///< static attention: side of its filters in tokens, an odd number
  bool per_head_filters = false;  ///< focused linear attention: one depthwise filter per head and channel;
                                  ///< false: one per channel, shared by all heads
  QuantizedLayers int8 = {};
  QuantizedLayers int4 = {};  ///< which of the int8 layers have weights of 4 bits with one factor per 32
                              ///< inputs (docs/quantization.md); only files store them differently
  bool operator==(const BlockSpec&) const = default;
};

/// Consecutive blocks on one map. Between two stages the sides of the map shrink by 2 and the stream gets a
/// new width (patch merging).
struct StageSpec {
  int64_t depth = 0;      ///< number of blocks
  int64_t embed_dim = 0;  ///< width of the stream
  bool operator==(const StageSpec&) const = default;
};

/// A map of patch tokens.
struct Grid {
  int64_t height = 0, width = 0;
  int64_t size() const { return height * width; }
  bool operator==(const Grid&) const = default;
};

/// The heads that classify every pixel; src/model/segmentation.cpp computes them.
enum class SegmentationHeadKind {
  kLinear,   ///< one linear layer on the last block's tokens
  kUperNet,  ///< pyramid pooling and a feature pyramid over the tokens after four blocks (Xiao et al. 2018)
};

/// The head of a model for semantic segmentation. Such a model predicts one of `num_classes` classes for
/// every pixel instead of for the image.
struct SegmentationHead {
  SegmentationHeadKind kind = SegmentationHeadKind::kLinear;
  int64_t channels = 0;         ///< width of a UPerNet; 0 for a linear head
  std::vector<int64_t> blocks;  ///< the blocks after which the head reads the stream, ascending; the last one
                                ///< is the model's last block
  bool operator==(const SegmentationHead&) const = default;
};

/// The task of a model.
enum class Task { kClassification, kSegmentation };

/// A complete architecture. Defaults are those of timm's VisionTransformer.
struct ModelSpec {
  std::string family = "vit";  ///< vit, swin, flatten_swin, pvt, pvt_v2 or cswin; determines embedding,
                               ///< stages and parameter names
  std::string name;            ///< published name, for display; may be empty
  std::array<int64_t, 2> image_size{224, 224};  ///< height, width in pixels
  int64_t patch_size = 16;
  int64_t in_channels = 3;
  int64_t num_classes = 1000;  ///< 0: no classifier
  int64_t embed_dim = 0;       ///< width of the stream in the first stage
  bool class_token = true;
  bool distillation_token =
      false;  ///< DeiT's second token and second head; the logits of both heads are averaged in evaluation
  int64_t register_tokens = 0;
  bool embed_prefix_tokens = true;  ///< position embedding covers the CLS, distillation and register tokens
                                    ///< (timm: not no_embed_class)
  Pooling pooling = Pooling::kToken;
  bool pre_norm = false;   ///< a norm before the first block (CLIP)
  bool final_norm = true;  ///< the norm after the last block, `norm`
  bool fc_norm = false;    ///< a norm after pooling, `fc_norm`
  bool qkv_bias = true;
  bool qk_norm = false;
  bool layer_scale = false;
  double norm_eps = 1e-6;
  Activation activation = Activation::kGelu;
  bool gated_mlp =
      false;  ///< fc1 computes 2 mlp_dim units [g, u], fc2 reads activation(g) * u (with SiLU: SwiGLU)
  int64_t focusing_factor = 3;    ///< power of focused linear attention
  int64_t filter_size = 5;        ///< side of its depthwise filters
  std::vector<StageSpec> stages;  ///< empty: one stage with all blocks
  std::vector<BlockSpec> blocks;
  std::optional<PreprocessSpec> preprocess;
  std::vector<std::string> class_names;          ///< empty, or one name per class
  std::optional<SegmentationHead> segmentation;  ///< empty: the model classifies images
  bool operator==(const ModelSpec&) const = default;

  /// The stage of a block, and the block's index within it.
  struct Position {
    int stage = 0, index = 0;
  };
  Position position(int block) const;
  int num_stages() const { return stages.empty() ? 1 : static_cast<int>(stages.size()); }
  int64_t stage_dim(int stage) const {
    return stages.empty() ? embed_dim : stages[static_cast<size_t>(stage)].embed_dim;
  }
  Grid stage_grid(int stage) const { return {grid_height() >> stage, grid_width() >> stage}; }
  Grid block_grid(int block) const { return stage_grid(position(block).stage); }
  /// Number of tokens of a block, prefix tokens included, if none were merged.
  int64_t block_tokens(int block) const { return prefix_tokens() + block_grid(block).size(); }
  /// Number of tokens that a block's attention, or its MLP, reads: block_tokens() minus the pairs merged
  /// before it.
  int64_t attention_tokens(int block) const;
  int64_t mlp_tokens(int block) const;
  /// The largest number of pairs that a block can merge. Prefix tokens are never merged; a pair takes one
  /// token from each half of the other tokens.
  int64_t most_merged(int block) const { return (attention_tokens(block) - prefix_tokens()) / 2; }
  bool merges() const;
  /// Compared with the model from which this one was made, whose blocks are the same in number: the blocks
  /// whose attention was made static, and whether any block merges more pairs.
  std::vector<int> layers_made_static(const ModelSpec& before) const;
  bool merges_more(const ModelSpec& before) const;
  /// Whether any layer is int8.
  bool quantized() const;
  /// Width of the features that the classifier reads.
  int64_t feature_dim() const {
    return stage_dim(num_stages() - 1) * (pooling == Pooling::kTokenAndAverage ? 2 : 1);
  }
  /// Number of rows of a block's fc1 weight.
  int64_t fc1_rows(int block) const {
    return blocks[static_cast<size_t>(block)].mlp_dim * (gated_mlp ? 2 : 1);
  }

  Task task() const { return segmentation ? Task::kSegmentation : Task::kClassification; }

  int64_t prefix_tokens() const {
    return (class_token ? 1 : 0) + (distillation_token ? 1 : 0) + register_tokens;
  }
  /// Sides of the map in tokens, and number of tokens with the prefix, in the first stage.
  int64_t grid_height() const { return image_size[0] / patch_size; }
  int64_t grid_width() const { return image_size[1] / patch_size; }
  int64_t num_tokens() const { return prefix_tokens() + grid_height() * grid_width(); }
};

/// "softmax", "window", ...
std::string attention_name(AttentionKind kind);
/// "gelu", "quick_gelu", ...
std::string activation_name(Activation activation);
/// "classification", "segmentation".
std::string task_name(Task task);
/// Throws vitrim::Error if a layer is int8. `work` ("fine-tuning", "pruning") names the operation, which
/// changes weights and must therefore run before they are quantised.
void require_float_weights(const ModelSpec& spec, const std::string& work);
/// Whether `kind` is focused linear attention, over a map, windows or stripes.
bool is_linear_attention(AttentionKind kind);

/// Throws std::invalid_argument with the first contradiction found (a width that is not positive, a block's
/// embed_dim that differs from the model's, an image size that the patch size does not divide, ...).
/// Computations with a valid spec can't overflow: every size is at most 2^20.
void validate(const ModelSpec& spec);

/// The spec as one compact JSON object with a version number, and back. model_spec_from_json() throws
/// FormatError that names `source` and the key (unknown and missing keys are errors), also if the spec does
/// not pass validate().
std::string to_json(const ModelSpec& spec);
ModelSpec model_spec_from_json(std::string_view json, const std::string& source);

}  // namespace vitrim
