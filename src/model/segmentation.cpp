#include "model/segmentation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "model/family.h"
#include "model/layout.h"
#include "vitrim/core/suggest.h"
#include "vitrim/model/loading.h"

// Deviations from the published UPerNet: GroupNorm where it has BatchNorm, because its figures are each
// image's own, so that a batch's gradient is the sum of its images' however they are shared among cores and
// ranks, and nothing differs between training and use; a LayerNorm on every stream that is tapped (Swin's
// segmentation models have one, ViTs' do not), because removing attention changes a stream's scale and
// folding must not be seen; no dropout before the last layer.

namespace vitrim::model {

namespace {

constexpr int64_t kPools[] = {1, 2, 3, 6};  // sides of the pyramid's maps
constexpr double kGroupEps = 1e-5;

// As many groups as there can be, 32 at most, with 8 channels or more in each: a pooled map of one place
// still has something to be normalised over.
int64_t groups_of(int64_t channels) {
  int64_t groups = std::min<int64_t>(32, std::max<int64_t>(1, channels / 8));
  while (channels % groups != 0) --groups;
  return groups;
}

// One convolution of the head: what layout, cost and computation have in common.
struct Layer {
  std::string name;
  int64_t in = 0, out = 0, side = 1;
  Grid grid;                ///< of the map it reads
  bool transposed = false;  ///< 2 x 2, stride 2: doubles the map
  std::string norm;         ///< GroupNorm behind it; empty: none, and the layer has a bias
};

Layer unit(const std::string& name, int64_t in, int64_t out, int64_t side, Grid grid) {
  return {name + ".conv", in, out, side, grid, false, name + ".gn"};
}

// By which power of two a ViT's map is enlarged for the first level of the pyramid: to a stride of 4 pixels
// where the patch is a power of two, else by 4. Every further level is half as large.
int64_t first_power(int64_t patch) {
  int64_t power = 0;
  while (4 << power < patch) ++power;
  return 4 << power == patch ? power : 2;
}

int64_t power_of_level(const ModelSpec& spec, size_t level) {
  return spec.stages.empty() ? first_power(spec.patch_size) - static_cast<int64_t>(level) : 0;
}

Grid scaled(Grid grid, int64_t power) {
  if (power >= 0) return {grid.height << power, grid.width << power};
  const int64_t by = int64_t{1} << -power;
  return {(grid.height + by - 1) / by, (grid.width + by - 1) / by};
}

struct Level {
  int64_t block = 0, channels = 0;
  int64_t power = 0;  ///< its map is the block's, enlarged (or, below 0, pooled) by 2^power
  Grid grid;
};

std::vector<Level> levels_of(const ModelSpec& spec) {
  std::vector<Level> out;
  for (size_t i = 0; i < spec.segmentation->blocks.size(); ++i) {
    const int64_t block = spec.segmentation->blocks[i];
    const int64_t power = power_of_level(spec, i);
    out.push_back({block, spec.blocks[static_cast<size_t>(block)].embed_dim, power,
                   scaled(spec.block_grid(static_cast<int>(block)), power)});
  }
  return out;
}

std::string numbered(const char* name, size_t index) {
  return "decode_head." + std::string(name) + "." + std::to_string(index);
}
std::string enlarging(size_t level, int64_t step) {
  return "neck." + std::to_string(level) + ".deconv" + std::to_string(step);
}
std::string tapped_norm(size_t level) { return numbered("norms", level); }
constexpr const char* kClassifier = "decode_head.conv_seg";

std::vector<Layer> layers_of(const ModelSpec& spec) {
  const std::vector<Level> levels = levels_of(spec);
  std::vector<Layer> out;
  if (spec.segmentation->kind == SegmentationHeadKind::kLinear) {
    return {{kClassifier, levels[0].channels, spec.num_classes, 1,
             spec.block_grid(static_cast<int>(levels[0].block)), false, ""}};
  }
  const int64_t width = spec.segmentation->channels;
  const size_t last = levels.size() - 1;
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t c = levels[i].channels;
    Grid grid = spec.block_grid(static_cast<int>(levels[i].block));
    for (int64_t step = 0; step < levels[i].power; ++step, grid = scaled(grid, 1)) {
      const bool normed = step + 1 < levels[i].power;
      out.push_back({enlarging(i, step), c, c, 2, grid, true, normed ? enlarging(i, step) + ".gn" : ""});
    }
  }
  for (size_t i = 0; i < std::size(kPools); ++i) {
    out.push_back(
        unit(numbered("psp_modules", i) + ".1", levels[last].channels, width, 1, {kPools[i], kPools[i]}));
  }
  const int64_t pyramid = levels[last].channels + static_cast<int64_t>(std::size(kPools)) * width;
  out.push_back(unit("decode_head.bottleneck", pyramid, width, 3, levels[last].grid));
  for (size_t i = 0; i < last; ++i) {
    out.push_back(unit(numbered("lateral_convs", i), levels[i].channels, width, 1, levels[i].grid));
    out.push_back(unit(numbered("fpn_convs", i), width, width, 3, levels[i].grid));
  }
  out.push_back(unit("decode_head.fpn_bottleneck", width * static_cast<int64_t>(levels.size()), width, 3,
                     levels[0].grid));
  out.push_back({kClassifier, width, spec.num_classes, 1, levels[0].grid, false, ""});
  return out;
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

at::Tensor rescaled(const Model& model, at::Tensor planes, size_t index, const Level& level) {
  for (int64_t step = 0; step < level.power; ++step) {
    const std::string name = enlarging(index, step);
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
  for (size_t i = 0; i < std::size(kPools); ++i) {
    const at::Tensor small = at::adaptive_avg_pool2d(maps[last], {kPools[i], kPools[i]});
    pooled.push_back(sized(conv_unit(model, small, numbered("psp_modules", i) + ".1"), maps[last]));
  }
  std::vector<at::Tensor> paths(maps.size());
  paths[last] = conv_unit(model, at::cat(pooled, 1), "decode_head.bottleneck");
  for (size_t i = last; i-- > 0;) {
    const at::Tensor lateral = conv_unit(model, maps[i], numbered("lateral_convs", i));
    paths[i] = lateral + sized(paths[i + 1], lateral);
  }
  for (size_t i = 0; i < last; ++i) paths[i] = conv_unit(model, paths[i], numbered("fpn_convs", i));
  for (at::Tensor& path : paths) path = sized(path, paths[0]);
  return conv_unit(model, at::cat(paths, 1), "decode_head.fpn_bottleneck");
}

}  // namespace

void add_segmentation_head(const ModelSpec& spec, std::vector<ParameterInfo>& out) {
  const std::vector<Level> levels = levels_of(spec);
  for (size_t i = 0; i + 1 < levels.size(); ++i) add_norm(out, tapped_norm(i), levels[i].channels);
  for (const Layer& layer : layers_of(spec)) {
    const bool bias = layer.transposed || layer.norm.empty();
    out.push_back({layer.name + ".weight",
                   layer.transposed ? std::vector<int64_t>{layer.in, layer.out, layer.side, layer.side}
                                    : std::vector<int64_t>{layer.out, layer.in, layer.side, layer.side}});
    if (bias) out.push_back({layer.name + ".bias", {layer.out}});
    if (!layer.norm.empty()) add_norm(out, layer.norm, layer.out);
  }
}

int64_t segmentation_macs(const ModelSpec& spec) {
  int64_t total = 0;
  for (const Layer& layer : layers_of(spec))
    total += layer.in * layer.out * layer.side * layer.side * layer.grid.size();
  return total;
}

Grid segmentation_grid(const ModelSpec& spec) {
  const SegmentationHead& head = *spec.segmentation;
  if (head.kind == SegmentationHeadKind::kLinear)
    return spec.block_grid(static_cast<int>(head.blocks.front()));
  return levels_of(spec).front().grid;
}

Output segment(const Model& model, const at::Tensor& x, const Taps& taps) {
  const ModelSpec& spec = model.spec();
  const SegmentationHead& head = *spec.segmentation;
  if (taps.size() + 1 != head.blocks.size()) {
    throw std::invalid_argument("[model::finish] the head reads " + std::to_string(head.blocks.size() - 1) +
                                " streams below the last one, got " + std::to_string(taps.size()));
  }
  const at::Tensor last = model.layer_norm(x, "norm");
  Output out;
  out.features = last.slice(1, spec.prefix_tokens()).mean(1);
  at::Tensor map = planes_of(model, last, head.blocks.back());
  if (head.kind == SegmentationHeadKind::kUperNet) {
    const std::vector<Level> levels = levels_of(spec);
    std::vector<at::Tensor> maps;
    for (size_t i = 0; i < taps.size(); ++i) {
      maps.push_back(rescaled(
          model, planes_of(model, model.layer_norm(taps[i], tapped_norm(i)), levels[i].block), i, levels[i]));
    }
    maps.push_back(rescaled(model, map, taps.size(), levels.back()));
    map = upernet(model, maps);
  }
  out.logits = model.convolution(map, kClassifier, 1, 0).to(at::kFloat);
  return out;
}

SegmentationHeadKind parse_segmentation_head(const std::string& name) {
  if (name == "linear") return SegmentationHeadKind::kLinear;
  if (name == "upernet") return SegmentationHeadKind::kUperNet;
  throw std::invalid_argument("there is no segmentation head '" + name + "'; did you mean '" +
                              nearest(name, {"linear", "upernet"}) + "'?");
}

ModelSpec with_segmentation_head(ModelSpec spec, SegmentationHeadKind kind, int64_t channels,
                                 int64_t classes) {
  SegmentationHead head;
  head.kind = kind;
  const auto depth = static_cast<int64_t>(spec.blocks.size());
  if (kind == SegmentationHeadKind::kLinear) {
    head.blocks = {depth - 1};
  } else {
    head.channels = channels;
    for (int64_t quarter = 1; spec.stages.empty() && quarter <= 4; ++quarter)
      head.blocks.push_back(std::max<int64_t>(0, depth * quarter / 4 - 1));
    for (int64_t end = 0; const StageSpec& stage : spec.stages)
      head.blocks.push_back((end += stage.depth) - 1);
  }
  spec.segmentation = std::move(head);
  spec.num_classes = classes;
  spec.pooling = Pooling::kAverage;
  spec.final_norm = true;
  spec.fc_norm = false;
  if (spec.preprocess) {  // the short side is what scales count from, and all of the image is seen
    spec.preprocess->resize = spec.image_size[0];
    spec.preprocess->interpolation = Interpolation::kBilinear;
  }
  validate(spec);
  return spec;
}

}  // namespace vitrim::model
