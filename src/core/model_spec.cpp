#include "vitrim/core/model_spec.h"

#include <cmath>
#include <stdexcept>

namespace vitrim {
namespace {

// No transformer comes near; beyond it products of two widths and a token count could overflow 64 bits.
constexpr int64_t kLargest = int64_t{1} << 20;

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("[core::validate] " + what); }

void check_range(const std::string& where, const char* name, int64_t value, int64_t smallest) {
  if (value < smallest || value > kLargest) {
    fail(where + name + " " + std::to_string(value) + " is not between " + std::to_string(smallest) +
         " and " + std::to_string(kLargest));
  }
}

void validate_block(const BlockSpec& block, const std::string& where, int64_t embed_dim) {
  check_range(where, "embed_dim", block.embed_dim, 1);
  if (block.embed_dim != embed_dim) {
    fail(where + "embed_dim " + std::to_string(block.embed_dim) + " is not the model's " +
         std::to_string(embed_dim));
  }
  if (block.attention == AttentionKind::kNone) {
    if (block.num_heads != 0 || block.qk_dim != 0 || block.v_dim != 0) {
      fail(where + "num_heads, qk_dim and v_dim must be 0 where there is no attention");
    }
  } else {
    check_range(where, "num_heads", block.num_heads, 1);
    check_range(where, "qk_dim", block.qk_dim, 1);
    check_range(where, "v_dim", block.v_dim, 1);
  }
  check_range(where, "mlp_dim", block.mlp_dim, 1);
  if (!std::isfinite(block.stream_gain) || block.stream_gain <= 0)
    fail(where + "stream_gain is not positive");
}

void validate_preprocess(const PreprocessSpec& preprocess) {
  const std::string where = "preprocess: ";
  for (int channel = 0; channel < 3; ++channel) {
    if (!std::isfinite(preprocess.mean[channel])) fail(where + "a mean is not finite");
    if (!std::isfinite(preprocess.std[channel]) || preprocess.std[channel] <= 0)
      fail(where + "a std is not positive");
  }
  if (preprocess.resize) check_range(where, "resize", *preprocess.resize, 1);
  check_range(where, "crop", preprocess.crop, 1);
}

}  // namespace

void validate(const ModelSpec& spec) {
  if (spec.family.empty()) fail("family is empty");
  check_range("", "patch_size", spec.patch_size, 1);
  for (const int64_t side : spec.image_size) {
    check_range("", "image_size", side, 1);
    if (side % spec.patch_size != 0) {
      fail("image_size " + std::to_string(side) + " is no multiple of patch_size " +
           std::to_string(spec.patch_size));
    }
  }
  check_range("", "in_channels", spec.in_channels, 1);
  check_range("", "num_classes", spec.num_classes, 0);
  check_range("", "embed_dim", spec.embed_dim, 1);
  check_range("", "register_tokens", spec.register_tokens, 0);
  if (spec.distillation_token && !spec.class_token) fail("distillation_token needs class_token");
  if (spec.pooling == Pooling::kToken && !spec.class_token) fail("pooling \"token\" needs class_token");
  if (!std::isfinite(spec.norm_eps) || spec.norm_eps <= 0) fail("norm_eps is not positive");
  if (spec.blocks.empty()) fail("blocks is empty");
  for (size_t i = 0; i < spec.blocks.size(); ++i) {
    validate_block(spec.blocks[i], "block " + std::to_string(i) + ": ", spec.embed_dim);
  }
  if (spec.preprocess) validate_preprocess(*spec.preprocess);
}

}  // namespace vitrim
