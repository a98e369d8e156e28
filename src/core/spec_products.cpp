#include "core/spec_products.h"

#include <algorithm>

namespace vitrim {

namespace {

double real(int64_t value) { return static_cast<double>(value); }

// Scores and sums of one head and channel: tokens times the number of tokens that each of them attends to.
double pairs_seen(const BlockSpec& block, double tokens, Grid grid) {
  switch (block.attention) {
    case AttentionKind::kNone:
      return 0;
    case AttentionKind::kWindow:
      return tokens * real(block.window) * real(block.window);
    case AttentionKind::kCrossShapedWindow:
      return tokens *
             (block.window > 0 ? real(block.window) * real(std::max(grid.height, grid.width)) : tokens);
    case AttentionKind::kFocusedLinear:
    case AttentionKind::kCrossFocusedLinear:
      return tokens * real(block.qk_dim);
    case AttentionKind::kStatic:
      return tokens * real(block.filter) * real(block.filter);
    case AttentionKind::kSoftmax:
      break;
  }
  return tokens * tokens / (real(block.sr_ratio) * real(block.sr_ratio));
}

void add_block(const ModelSpec& spec, int index, SpecProducts& sum) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const Grid grid = spec.block_grid(index);
  const double tokens = real(spec.prefix_tokens()) + real(grid.height) * real(grid.width);
  const double width = real(block.embed_dim), heads = real(block.num_heads);
  const double values = heads * real(block.v_dim), rows = 2 * heads * real(block.qk_dim) + values;
  // Reduced maps have an additional convolution, linear attention has depthwise filters, windows have a
  // table.
  const double weights = width * (rows + values + 3 * real(block.mlp_dim)) +
                         width * width * real(block.sr_ratio) * real(block.sr_ratio) +
                         values * real(spec.filter_size) * real(spec.filter_size);
  sum.params += weights + 4 * real(block.window) * real(block.window) * heads + tokens * width;
  sum.macs += tokens * weights + pairs_seen(block, tokens, grid) * (rows + values);
}

}  // namespace

SpecProducts spec_products(const ModelSpec& spec) {
  SpecProducts sum;
  const double patch = real(spec.patch_size) * real(spec.patch_size) * real(spec.in_channels);
  const double grid = real(spec.grid_height()) * real(spec.grid_width());
  // CSwin's first convolution has a kernel of 7 pixels whatever the patch.
  sum.params += real(spec.embed_dim) * std::max(patch, 49 * real(spec.in_channels)) +
                real(spec.num_tokens()) * real(spec.embed_dim);
  sum.macs += grid * real(spec.embed_dim) * std::max(patch, 49 * real(spec.in_channels));
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) add_block(spec, i, sum);
  for (int stage = 1; stage < spec.num_stages(); ++stage) {
    const double merging = 9 * real(spec.stage_dim(stage - 1)) * real(spec.stage_dim(stage));
    sum.params += merging;
    sum.macs += merging * grid;
  }
  const double classes = real(spec.num_classes);
  if (spec.segmentation) {
    const double channels = std::max(real(spec.segmentation->channels), real(spec.feature_dim()));
    // A UPerNet's convolutions read the maps of all levels side by side; the finest has the resolution of the
    // patches.
    const double levels = real(static_cast<int64_t>(spec.segmentation->blocks.size())) + 4;
    const double weights = 9 * channels * channels * levels * levels + classes * channels;
    sum.params += weights;
    sum.macs += weights * grid;
  } else {
    sum.params += 2 * classes * real(spec.feature_dim());
    sum.macs += 2 * classes * real(spec.feature_dim());
  }
  return sum;
}

}  // namespace vitrim
