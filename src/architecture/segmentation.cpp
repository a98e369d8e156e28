#include "architecture/segmentation.h"

#include <algorithm>
#include <stdexcept>

#include "architecture/layout.h"
#include "vitrim/architecture/segmentation.h"
#include "vitrim/core/suggest.h"

namespace vitrim::architecture {

namespace {

SegmentationLayer unit(const std::string& name, int64_t in, int64_t out, int64_t side, Grid grid) {
  return {name + ".conv", in, out, side, grid, false, name + ".gn"};
}

// The power of two by which a ViT's map is upsampled for the first level of the pyramid: to a stride of 4
// pixels if the patch size is a power of two, else by a factor of 4. Every further level is half as large.
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

}  // namespace

std::vector<SegmentationLevel> segmentation_levels(const ModelSpec& spec) {
  std::vector<SegmentationLevel> out;
  for (size_t i = 0; i < spec.segmentation->blocks.size(); ++i) {
    const int64_t block = spec.segmentation->blocks[i];
    const int64_t power = power_of_level(spec, i);
    out.push_back({block, spec.blocks[static_cast<size_t>(block)].embed_dim, power,
                   scaled(spec.block_grid(static_cast<int>(block)), power)});
  }
  return out;
}

std::string head_part(const char* name, size_t index) {
  return "decode_head." + std::string(name) + "." + std::to_string(index);
}
std::string enlarging_step(size_t level, int64_t step) {
  return "neck." + std::to_string(level) + ".deconv" + std::to_string(step);
}
std::string tapped_norm(size_t level) { return head_part("norms", level); }

std::vector<SegmentationLayer> segmentation_layers(const ModelSpec& spec) {
  const std::vector<SegmentationLevel> levels = segmentation_levels(spec);
  std::vector<SegmentationLayer> out;
  if (spec.segmentation->kind == SegmentationHeadKind::kLinear) {
    return {{kPixelClassifier, levels[0].channels, spec.num_classes, 1,
             spec.block_grid(static_cast<int>(levels[0].block)), false, ""}};
  }
  const int64_t width = spec.segmentation->channels;
  const size_t last = levels.size() - 1;
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t c = levels[i].channels;
    Grid grid = spec.block_grid(static_cast<int>(levels[i].block));
    for (int64_t step = 0; step < levels[i].power; ++step, grid = scaled(grid, 1)) {
      const bool normed = step + 1 < levels[i].power;
      out.push_back(
          {enlarging_step(i, step), c, c, 2, grid, true, normed ? enlarging_step(i, step) + ".gn" : ""});
    }
  }
  for (size_t i = 0; i < std::size(kPyramidSides); ++i) {
    out.push_back(unit(head_part("psp_modules", i) + ".1", levels[last].channels, width, 1,
                       {kPyramidSides[i], kPyramidSides[i]}));
  }
  const int64_t pyramid = levels[last].channels + static_cast<int64_t>(std::size(kPyramidSides)) * width;
  out.push_back(unit("decode_head.bottleneck", pyramid, width, 3, levels[last].grid));
  for (size_t i = 0; i < last; ++i) {
    out.push_back(unit(head_part("lateral_convs", i), levels[i].channels, width, 1, levels[i].grid));
    out.push_back(unit(head_part("fpn_convs", i), width, width, 3, levels[i].grid));
  }
  out.push_back(unit("decode_head.fpn_bottleneck", width * static_cast<int64_t>(levels.size()), width, 3,
                     levels[0].grid));
  out.push_back({kPixelClassifier, width, spec.num_classes, 1, levels[0].grid, false, ""});
  return out;
}

void add_segmentation_head(const ModelSpec& spec, std::vector<ParameterInfo>& out) {
  const std::vector<SegmentationLevel> levels = segmentation_levels(spec);
  for (size_t i = 0; i + 1 < levels.size(); ++i) add_norm(out, tapped_norm(i), levels[i].channels);
  for (const SegmentationLayer& layer : segmentation_layers(spec)) {
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
  for (const SegmentationLayer& layer : segmentation_layers(spec))
    total += layer.in * layer.out * layer.side * layer.side * layer.grid.size();
  return total;
}

Grid segmentation_grid(const ModelSpec& spec) {
  const SegmentationHead& head = *spec.segmentation;
  if (head.kind == SegmentationHeadKind::kLinear)
    return spec.block_grid(static_cast<int>(head.blocks.front()));
  return segmentation_levels(spec).front().grid;
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
  if (spec.preprocess) {  // the scale refers to the short side, and the whole image is used
    spec.preprocess->resize = spec.image_size[0];
    spec.preprocess->interpolation = Interpolation::kBilinear;
  }
  validate(spec);
  return spec;
}

}  // namespace vitrim::architecture
