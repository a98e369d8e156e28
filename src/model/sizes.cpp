// A model at another image size, and answers in tensors of a fixed shape.

#include <ATen/ATen.h>

#include <cmath>

#include "architecture/segmentation.h"
#include "model/family.h"
#include "vitrim/architecture/infer.h"

namespace vitrim::model {

std::unique_ptr<Model> Model::at_size(int64_t height, int64_t width) const {
  ModelSpec sized = spec_;
  sized.image_size = {height, width};
  architecture::follow_image_size(sized, spec_.image_size[0]);
  validate(sized);
  StateDict weights;
  for (const auto& [name, tensor] : parameters_.entries()) {
    at::Tensor value = tensor.detach();
    if (name == "pos_embed" && spec_.family == "vit") {
      const int64_t prefix = spec_.embed_prefix_tokens ? spec_.prefix_tokens() : 0;
      value = at::cat({value.slice(1, 0, prefix),
                       resize_positions(value.slice(1, prefix), spec_.stage_grid(0), sized.stage_grid(0))},
                      1);
    }
    weights.add(name, value);
  }
  auto out = make_model(sized, weights);
  out->set_compute_dtype(compute_dtype_);
  out->cache_ = cache_;  // casts are shared by all sizes; position embeddings are never cast
  out->gates_ = gates_;
  return out;
}

namespace {

// Indices of places of a map, one every `step` rows and columns: at most 256.
std::vector<int64_t> spread_places(Grid grid) {
  const auto step = std::max<int64_t>(
      1, static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(grid.size()) / 256.0))));
  std::vector<int64_t> out;
  for (int64_t y = std::min(step / 2, grid.height - 1); y < grid.height; y += step) {
    for (int64_t x = std::min(step / 2, grid.width - 1); x < grid.width; x += step)
      out.push_back(y * grid.width + x);
  }
  return out;
}

}  // namespace

at::Tensor answers(const ModelSpec& spec, const Output& out) {
  if (!out.logits.defined()) return out.features;
  if (!spec.segmentation) return out.logits;
  return out.logits.flatten(2).index_select(
      2, at::tensor(spread_places(architecture::segmentation_grid(spec)), at::kLong).to(out.logits.device()));
}

std::vector<int64_t> answers_shape(const ModelSpec& spec, int64_t images) {
  if (spec.num_classes == 0) return {images, spec.feature_dim()};
  if (!spec.segmentation) return {images, spec.num_classes};
  return {images, spec.num_classes,
          static_cast<int64_t>(spread_places(architecture::segmentation_grid(spec)).size())};
}

}  // namespace vitrim::model
