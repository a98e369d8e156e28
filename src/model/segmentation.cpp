#include "model/segmentation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "architecture/segmentation.h"
#include "model/family.h"

// Deviations from the published UPerNet: (1) GroupNorm instead of BatchNorm. Its statistics are per image, so
// the gradient of a batch is the sum over its images, however they are shared among cores and ranks, and
// training and inference compute the same. (2) A LayerNorm on every intermediate stream (Swin's segmentation
// models have one, ViTs' do not), because removing attention changes a stream's scale, and folding must not
// change the result. (3) No dropout before the last layer.

namespace vitrim::model {

namespace {

constexpr double kGroupEps = 1e-5;

// The largest possible number of groups, at most 32 and with at least 8 channels each, so that a pooled map
// of one place still has several values per group.
int64_t groups_of(int64_t channels) {
  int64_t groups = std::min<int64_t>(32, std::max<int64_t>(1, channels / 8));
  while (channels % groups != 0) --groups;
  return groups;
}

at::Tensor group_norm(const Model& model, const at::Tensor& x, const std::string& name) {
  return at::group_norm(x.to(at::kFloat), groups_of(x.size(1)), model.parameter(name + ".weight"),
                        model.parameter(name + ".bias"), kGroupEps);
}

at::Tensor conv_unit(const Model& model, const at::Tensor& x, const std::string& name) {
  const int64_t side = model.parameter(name + ".conv.weight").size(2);
  return group_norm(model, model.convolution(x, name + ".conv", 1, side / 2), name + ".gn").relu();
}

at::Tensor sized(const at::Tensor& x, const at::Tensor& like) {
  if (x.size(2) == like.size(2) && x.size(3) == like.size(3)) return x;
  return at::upsample_bilinear2d(x, {like.size(2), like.size(3)}, /*align_corners=*/false);
}

// A stream's patches, normalised, as planes [B, C, H, W].
at::Tensor planes_of(const Model& model, const at::Tensor& normed, int64_t block) {
  return to_planes(normed.slice(1, model.spec().prefix_tokens()),
                   model.spec().block_grid(static_cast<int>(block)));
}

at::Tensor rescaled(const Model& model, at::Tensor planes, size_t index,
                    const architecture::SegmentationLevel& level) {
  for (int64_t step = 0; step < level.power; ++step) {
    const std::string name = architecture::enlarging_step(index, step);
    planes = at::conv_transpose2d(planes.to(model.compute_dtype()), model.compute_weight(name + ".weight"),
                                  model.compute_weight(name + ".bias"), {2, 2})
                 .to(at::kFloat);
    if (step + 1 < level.power) planes = at::gelu(group_norm(model, planes, name + ".gn"));
  }
  if (level.power >= 0) return planes;
  const int64_t by = int64_t{1} << -level.power;
  return at::max_pool2d(planes, {by, by}, {by, by}, {0, 0}, {1, 1}, /*ceil_mode=*/true);
}

at::Tensor upernet(const Model& model, const std::vector<at::Tensor>& maps) {
  const size_t last = maps.size() - 1;
  std::vector<at::Tensor> pooled = {maps[last]};
  for (size_t i = 0; i < std::size(architecture::kPyramidSides); ++i) {
    const at::Tensor small =
        at::adaptive_avg_pool2d(maps[last], {architecture::kPyramidSides[i], architecture::kPyramidSides[i]});
    pooled.push_back(
        sized(conv_unit(model, small, architecture::head_part("psp_modules", i) + ".1"), maps[last]));
  }
  std::vector<at::Tensor> paths(maps.size());
  paths[last] = conv_unit(model, at::cat(pooled, 1), "decode_head.bottleneck");
  for (size_t i = last; i-- > 0;) {
    const at::Tensor lateral = conv_unit(model, maps[i], architecture::head_part("lateral_convs", i));
    paths[i] = lateral + sized(paths[i + 1], lateral);
  }
  for (size_t i = 0; i < last; ++i)
    paths[i] = conv_unit(model, paths[i], architecture::head_part("fpn_convs", i));
  for (at::Tensor& path : paths) path = sized(path, paths[0]);
  return conv_unit(model, at::cat(paths, 1), "decode_head.fpn_bottleneck");
}

}  // namespace

Output segment(const Model& model, const at::Tensor& x, const Intermediates& intermediates) {
  const ModelSpec& spec = model.spec();
  const SegmentationHead& head = *spec.segmentation;
  if (intermediates.size() + 1 != head.blocks.size()) {
    throw std::invalid_argument("[model::finish] the head reads " + std::to_string(head.blocks.size() - 1) +
                                " streams below the last one, got " + std::to_string(intermediates.size()));
  }
  const at::Tensor last = model.layer_norm(x, "norm");
  Output out;
  out.features = last.slice(1, spec.prefix_tokens()).mean(1);
  at::Tensor map = planes_of(model, last, head.blocks.back());
  if (head.kind == SegmentationHeadKind::kUperNet) {
    const std::vector<architecture::SegmentationLevel> levels = architecture::segmentation_levels(spec);
    std::vector<at::Tensor> maps;
    for (size_t i = 0; i < intermediates.size(); ++i) {
      maps.push_back(rescaled(
          model,
          planes_of(model, model.layer_norm(intermediates[i], architecture::tapped_norm(i)), levels[i].block),
          i, levels[i]));
    }
    maps.push_back(rescaled(model, map, intermediates.size(), levels.back()));
    map = upernet(model, maps);
  }
  out.logits = model.convolution(map, architecture::kPixelClassifier, 1, 0).to(at::kFloat);
  return out;
}

}  // namespace vitrim::model
