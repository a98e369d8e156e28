#pragma once
// An architecture as plain data. Every model is built from its ModelSpec, every surgery maps (ModelSpec, weights) to
// (ModelSpec', weights'), and the spec travels in a checkpoint's safetensors metadata under kSpecMetadataKey.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitrim {

/// Key of the ModelSpec's JSON in a checkpoint's metadata.
inline constexpr const char* kSpecMetadataKey = "vitrim.spec";

/// The kinds of attention a block can hold; kNone is a block whose attention was removed (y = x, then the MLP).
enum class AttentionKind { kNone, kSoftmax };

/// How tokens become the feature that the classifier sees.
enum class Pooling { kToken, kAverage };

enum class Interpolation { kBicubic, kBilinear };

/// How an image becomes the model's input: resize the short side, centre crop, (x / 255 - mean) / std.
struct PreprocessSpec {
  std::array<double, 3> mean{0.5, 0.5, 0.5};
  std::array<double, 3> std{0.5, 0.5, 0.5};
  std::optional<int64_t> resize;  ///< short side in pixels; nothing: no resize
  int64_t crop = 224;             ///< side of the centre crop in pixels
  Interpolation interpolation = Interpolation::kBicubic;
  bool operator==(const PreprocessSpec&) const = default;
};

/// One transformer block: y = g x + A(LN1 x), z = y + M(LN2 y) with g = stream_gain.
struct BlockSpec {
  AttentionKind attention = AttentionKind::kSoftmax;
  int64_t embed_dim = 0;     ///< width of the stream
  int64_t num_heads = 0;     ///< 0 where there is no attention, as the next two
  int64_t qk_dim = 0;        ///< q and k channels per head
  int64_t v_dim = 0;         ///< v channels per head
  int64_t mlp_dim = 0;       ///< hidden width of the MLP
  double stream_gain = 1.0;  ///< factor on the stream; other than 1 only where a removed layer's 2 was not folded away
  bool operator==(const BlockSpec&) const = default;
};

/// A whole architecture. Defaults are those of timm's VisionTransformer.
struct ModelSpec {
  std::string family = "vit";
  std::string name;                   ///< published name, for people; may be empty
  std::array<int64_t, 2> image_size{224, 224};  ///< height, width in pixels
  int64_t patch_size = 16;
  int64_t in_channels = 3;
  int64_t num_classes = 1000;         ///< 0: no classifier
  int64_t embed_dim = 0;
  bool class_token = true;
  bool distillation_token = false;    ///< DeiT's second token and second head, averaged in evaluation
  int64_t register_tokens = 0;
  bool embed_prefix_tokens = true;    ///< position embedding covers CLS/distillation/register tokens (timm: not no_embed_class)
  Pooling pooling = Pooling::kToken;
  bool pre_norm = false;              ///< a norm before the first block (CLIP)
  bool final_norm = true;             ///< `norm`
  bool fc_norm = false;               ///< `fc_norm`, after pooling
  bool qkv_bias = true;
  bool qk_norm = false;
  bool layer_scale = false;
  double norm_eps = 1e-6;
  std::vector<BlockSpec> blocks;
  std::optional<PreprocessSpec> preprocess;
  bool operator==(const ModelSpec&) const = default;

  int64_t prefix_tokens() const { return (class_token ? 1 : 0) + (distillation_token ? 1 : 0) + register_tokens; }
  int64_t grid_height() const { return image_size[0] / patch_size; }
  int64_t grid_width() const { return image_size[1] / patch_size; }
  int64_t num_tokens() const { return prefix_tokens() + grid_height() * grid_width(); }
};

/// Throws std::invalid_argument with the first contradiction found (widths not positive, a block's embed_dim unlike the model's, an
/// image size that the patch size does not divide, ...). What passes is safe to compute with: every size is at most 2^20.
void validate(const ModelSpec& spec);

/// One compact JSON object with a version number. From JSON: throws FormatError naming `source` and the key (unknown and missing keys are
/// errors), also where the spec does not pass validate().
std::string to_json(const ModelSpec& spec);
ModelSpec model_spec_from_json(std::string_view json, const std::string& source);

}  // namespace vitrim
