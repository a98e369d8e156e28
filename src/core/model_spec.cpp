#include "vitrim/core/model_spec.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/spec_products.h"
#include "vitrim/core/error.h"
#include "vitrim/core/normalization.h"

namespace vitrim {
namespace {

// Far above any transformer.
constexpr int64_t kLargest = int64_t{1} << 20;
constexpr size_t kMostBlocks = 10'000;
// The limit for parameters and for an image's multiply-adds. Times a batch of 4096 they still fit into 64
// bits.
constexpr double kLargestProduct = static_cast<double>(int64_t{1} << 50);

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("[core::validate] " + what); }

void check_range(const std::string& where, const char* name, int64_t value, int64_t smallest) {
  if (value < smallest || value > kLargest) {
    fail(where + name + " " + std::to_string(value) + " is not between " + std::to_string(smallest) +
         " and " + std::to_string(kLargest));
  }
}

bool takes_sr_ratio(AttentionKind kind) {
  return kind == AttentionKind::kSoftmax || kind == AttentionKind::kFocusedLinear;
}
bool is_cross(AttentionKind kind) {
  return kind == AttentionKind::kCrossShapedWindow || kind == AttentionKind::kCrossFocusedLinear;
}

// Windows, stripes and reductions must divide the map.
void validate_region(const BlockSpec& block, const std::string& where, Grid grid) {
  const auto divides = [&](int64_t side) { return grid.height % side == 0 && grid.width % side == 0; };
  const std::string map = std::to_string(grid.height) + "x" + std::to_string(grid.width);
  check_range(where, "window", block.window, block.attention == AttentionKind::kWindow ? 1 : 0);
  if (block.window > 0 && block.attention == AttentionKind::kSoftmax)
    fail(where + "attention \"softmax\" has no window");
  if (block.window > 0 && !divides(block.window)) {
    fail(where + "window " + std::to_string(block.window) + " does not divide the map of " + map +
         " tokens; choose another image size");
  }
  check_range(where, "shift", block.shift, 0);
  if (block.shift > 0 && (is_cross(block.attention) || block.shift >= block.window))
    fail(where + "shift must be smaller than the window, and cross-shaped windows can't be shifted");
  check_range(where, "sr_ratio", block.sr_ratio, 1);
  if (block.sr_ratio > 1 &&
      (!takes_sr_ratio(block.attention) || block.window > 0 || !divides(block.sr_ratio))) {
    fail(where + "sr_ratio " + std::to_string(block.sr_ratio) + " does not fit this attention on a map of " +
         map + " tokens");
  }
  if (is_cross(block.attention) && block.window > 0 && block.num_heads % 2 != 0)
    fail(where + "stripes need an even number of heads");
  check_range(where, "merge", block.merge, 0);
  if (block.per_head_filters && !is_linear_attention(block.attention))
    fail(where + "per_head_filters belongs to focused linear attention");
}

void validate_static(const BlockSpec& block, const std::string& where) {
  check_range(where, "filter", block.filter, 1);
  if (block.filter % 2 == 0) fail(where + "filter must be odd");
  if (block.qk_dim != 0) fail(where + "static attention has no queries and keys, so qk_dim must be 0");
  if (block.window != 0 || block.sr_ratio != 1)
    fail(where + "static attention has neither window nor sr_ratio");
}

void validate_block(const BlockSpec& block, const std::string& where, int64_t embed_dim, Grid grid) {
  check_range(where, "embed_dim", block.embed_dim, 1);
  if (block.embed_dim != embed_dim) {
    fail(where + "embed_dim " + std::to_string(block.embed_dim) + " is not the stage's " +
         std::to_string(embed_dim));
  }
  if (block.attention == AttentionKind::kNone) {
    if (block.merge != 0) fail(where + "a block without attention can't merge tokens");
    if (block.int8.qkv || block.int8.proj)
      fail(where + "int8 names the attention's layers, but the block has no attention");
    if (block.num_heads != 0 || block.qk_dim != 0 || block.v_dim != 0) {
      fail(where + "num_heads, qk_dim and v_dim must be 0 where there is no attention");
    }
  } else {
    check_range(where, "num_heads", block.num_heads, 1);
    const bool fixed = block.attention == AttentionKind::kStatic;
    check_range(where, "qk_dim", block.qk_dim, fixed ? 0 : 1);
    check_range(where, "v_dim", block.v_dim, 1);
    validate_region(block, where, grid);
    if (fixed) validate_static(block, where);
  }
  if ((block.int4.qkv && !block.int8.qkv) || (block.int4.proj && !block.int8.proj) ||
      (block.int4.fc1 && !block.int8.fc1) || (block.int4.fc2 && !block.int8.fc2))
    fail(where + "int4 names a layer that int8 does not name");
  if (block.attention != AttentionKind::kStatic && block.filter != 0)
    fail(where + "filter belongs to static attention");
  check_range(where, "mlp_dim", block.mlp_dim, 1);
  if (!std::isfinite(block.stream_gain) || block.stream_gain <= 0)
    fail(where + "stream_gain is not positive");
}

void validate_stages(const ModelSpec& spec) {
  if (spec.stages.empty()) return;
  if (spec.stages.size() > 16) fail("more than 16 stages");
  if (spec.prefix_tokens() > 0) fail("a model with stages has no class, distillation or register tokens");
  size_t blocks = 0;
  for (size_t i = 0; i < spec.stages.size(); ++i) {
    const std::string where = "stage " + std::to_string(i) + ": ";
    check_range(where, "depth", spec.stages[i].depth, 1);
    check_range(where, "embed_dim", spec.stages[i].embed_dim, 1);
    blocks += static_cast<size_t>(spec.stages[i].depth);
  }
  if (blocks != spec.blocks.size())
    fail("the stages have " + std::to_string(blocks) + " blocks, the model " +
         std::to_string(spec.blocks.size()));
  if (spec.stages[0].embed_dim != spec.embed_dim) fail("embed_dim is not the first stage's");
  const int64_t shrink = int64_t{1} << (spec.stages.size() - 1);
  if (spec.grid_height() % shrink != 0 || spec.grid_width() % shrink != 0) {
    fail("image_size must be a multiple of " + std::to_string(shrink * spec.patch_size) + ", so that " +
         std::to_string(spec.stages.size()) + " stages can halve the map");
  }
}

void validate_preprocess(const PreprocessSpec& preprocess) {
  const std::string where = "preprocess: ";
  for (int channel = 0; channel < 3; ++channel) {
    if (!std::isfinite(preprocess.mean[channel])) fail(where + "a mean is not finite");
    if (!std::isfinite(preprocess.std[channel]) || preprocess.std[channel] <= 0)
      fail(where + "a std is not positive");
  }
  if (const std::string problem = wrong_units(preprocess); !problem.empty()) fail(where + problem);
  if (preprocess.resize) check_range(where, "resize", *preprocess.resize, 1);
  check_range(where, "crop", preprocess.crop, 1);
}

}  // namespace

bool is_linear_attention(AttentionKind kind) {
  return kind == AttentionKind::kFocusedLinear || kind == AttentionKind::kCrossFocusedLinear;
}

ModelSpec::Position ModelSpec::position(int block) const {
  Position at{0, block};
  while (at.stage + 1 < num_stages() && at.index >= stages[static_cast<size_t>(at.stage)].depth) {
    at.index -= static_cast<int>(stages[static_cast<size_t>(at.stage)].depth);
    ++at.stage;
  }
  return at;
}

int64_t ModelSpec::attention_tokens(int block) const {
  int64_t tokens = block_tokens(block);
  for (int i = 0; i < block; ++i) tokens -= blocks[static_cast<size_t>(i)].merge;
  return tokens;
}

int64_t ModelSpec::mlp_tokens(int block) const {
  return attention_tokens(block) - blocks[static_cast<size_t>(block)].merge;
}

bool ModelSpec::quantized() const {
  return std::any_of(blocks.begin(), blocks.end(), [](const BlockSpec& block) { return block.int8.any(); });
}

void require_float_weights(const ModelSpec& spec, const std::string& work) {
  if (spec.quantized())
    throw Error(work + " changes weights, but this model's are already int8; use the model from before " +
                "vitrim quantize, and quantise last");
}

bool ModelSpec::merges() const {
  return std::any_of(blocks.begin(), blocks.end(), [](const BlockSpec& block) { return block.merge > 0; });
}

std::vector<int> ModelSpec::layers_made_static(const ModelSpec& before) const {
  std::vector<int> layers;
  for (size_t i = 0; i < std::min(blocks.size(), before.blocks.size()); ++i) {
    if (blocks[i].attention == AttentionKind::kStatic && before.blocks[i].attention != AttentionKind::kStatic)
      layers.push_back(static_cast<int>(i));
  }
  return layers;
}

bool ModelSpec::merges_more(const ModelSpec& before) const {
  for (size_t i = 0; i < std::min(blocks.size(), before.blocks.size()); ++i) {
    if (blocks[i].merge > before.blocks[i].merge) return true;
  }
  return false;
}

namespace {

void validate_segmentation(const ModelSpec& spec) {
  if (!spec.segmentation) return;
  const SegmentationHead& head = *spec.segmentation;
  const std::string where = "segmentation: ";
  const auto depth = static_cast<int64_t>(spec.blocks.size());
  if (spec.family != "vit" && spec.family != "swin" && spec.family != "flatten_swin")
    fail(where + "heads for pixels need a ViT or a Swin, not family " + spec.family);
  check_range(where, "num_classes", spec.num_classes, 2);
  if (!spec.final_norm || spec.fc_norm)
    fail(where + "the head reads the output of the final norm, so final_norm must be true and fc_norm false");
  if (spec.pooling != Pooling::kAverage) fail(where + "pooling must be average");
  if (spec.merges()) fail(where + "a model that labels every pixel can't merge tokens");
  const bool upernet = head.kind == SegmentationHeadKind::kUperNet;
  check_range(where, "channels", head.channels, upernet ? 1 : 0);
  if (!upernet && head.channels != 0) fail(where + "a linear head has no channels of its own");
  if (upernet ? head.blocks.size() < 2 || head.blocks.size() > 8 : head.blocks.size() != 1) {
    fail(where + "a linear head reads the output of one block, a UPerNet that of 2 to 8, not of " +
         std::to_string(head.blocks.size()));
  }
  if (!std::is_sorted(head.blocks.begin(), head.blocks.end()) || head.blocks.front() < 0 ||
      head.blocks.back() != depth - 1) {
    fail(where + "blocks must ascend and end with the model's last, " + std::to_string(depth - 1));
  }
}

void validate_products(const ModelSpec& spec) {
  const SpecProducts products = spec_products(spec);
  if (products.params > kLargestProduct || products.macs > kLargestProduct)
    fail(
        "the sizes make a model of more than 2^50 parameters or multiply-adds an image, which no machine "
        "runs");
}

void validate_merging(const ModelSpec& spec) {
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    if (block.attention == AttentionKind::kStatic && spec.attention_tokens(i) < spec.block_tokens(i)) {
      fail("block " + std::to_string(i) +
           ": static attention needs every token in its place, but earlier blocks merge tokens");
    }
    if (block.merge == 0) continue;
    const std::string where = "block " + std::to_string(i) + ": ";
    if (spec.family != "vit" || block.attention != AttentionKind::kSoftmax)
      fail(where + "only ViTs' blocks that keep their attention merge tokens");
    if (block.merge > spec.most_merged(i)) {
      fail(where + "merges " + std::to_string(block.merge) + " pairs of " +
           std::to_string(spec.attention_tokens(i)) + " tokens, more than half of those that may merge");
    }
  }
}

}  // namespace

void validate(const ModelSpec& spec) {
  if (spec.family.empty()) fail("family is empty");
  check_range("", "patch_size", spec.patch_size, 1);
  for (const int64_t side : spec.image_size) {
    check_range("", "image_size", side, 1);
    if (side % spec.patch_size != 0) {
      fail("image_size " + std::to_string(side) + " is not a multiple of patch_size " +
           std::to_string(spec.patch_size));
    }
  }
  check_range("", "in_channels", spec.in_channels, 1);
  check_range("", "num_classes", spec.num_classes, 0);
  check_range("", "embed_dim", spec.embed_dim, 1);
  check_range("", "register_tokens", spec.register_tokens, 0);
  if (spec.distillation_token && !spec.class_token) fail("distillation_token needs class_token");
  if (spec.pooling != Pooling::kAverage && !spec.class_token)
    fail("pooling by the class token needs class_token");
  if (spec.pooling == Pooling::kTokenAndAverage && (spec.distillation_token || spec.fc_norm)) {
    fail("pooling \"token_and_average\" excludes distillation_token and fc_norm");
  }
  if (!spec.class_names.empty() && static_cast<int64_t>(spec.class_names.size()) != spec.num_classes) {
    fail(std::to_string(spec.class_names.size()) + " class_names for " + std::to_string(spec.num_classes) +
         " classes");
  }
  if (!std::isfinite(spec.norm_eps) || spec.norm_eps <= 0) fail("norm_eps is not positive");
  check_range("", "focusing_factor", spec.focusing_factor, 1);
  check_range("", "filter_size", spec.filter_size, 1);
  if (spec.filter_size % 2 == 0) fail("filter_size must be odd");
  if (spec.blocks.empty()) fail("blocks is empty");
  if (spec.blocks.size() > kMostBlocks)
    fail("there are more than " + std::to_string(kMostBlocks) + " blocks");
  validate_stages(spec);
  if (spec.family == "vit") {
    if (!spec.stages.empty()) fail("family vit has no stages");
    for (const BlockSpec& block : spec.blocks) {
      const bool plain = block.attention == AttentionKind::kSoftmax ||
                         block.attention == AttentionKind::kNone || block.attention == AttentionKind::kStatic;
      if (!plain || block.sr_ratio != 1)
        fail("family vit supports only plain softmax attention and static attention");
    }
  }
  if (spec.family != "vit" && spec.gated_mlp) fail("only family vit has gated_mlp");
  if (spec.family == "cswin" && spec.patch_size != 4) fail("family cswin has patch_size 4");
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    validate_block(spec.blocks[static_cast<size_t>(i)], "block " + std::to_string(i) + ": ",
                   spec.stage_dim(spec.position(i).stage), spec.block_grid(i));
  }
  validate_segmentation(spec);
  validate_products(spec);
  validate_merging(spec);
  if (spec.preprocess) validate_preprocess(*spec.preprocess);
}

}  // namespace vitrim
