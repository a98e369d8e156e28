#include "model/family.h"

#include <ATen/ATen.h>

#include "model/attention.h"
#include "vitrim/model/query_keys.h"

namespace vitrim::model {

const FamilyForward& family_of(const ModelSpec& spec) {
  architecture::check_family(spec);
  return spec.family == "vit" ? vit_family() : stages_family();
}

at::Tensor embed_patches(const Model& model, const at::Tensor& planes, int64_t side,
                         const std::string& prefix) {
  const int64_t rows = planes.size(2) / side, columns = planes.size(3) / side;
  const at::Tensor patches = planes.reshape({planes.size(0), planes.size(1), rows, side, columns, side})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .reshape({planes.size(0), rows * columns, -1});
  const at::Tensor weight = model.compute_weight(prefix + ".weight");
  return at::linear(patches.to(model.device(), model.compute_dtype()), weight.reshape({weight.size(0), -1}),
                    model.compute_weight(prefix + ".bias"))
      .to(at::kFloat);
}

at::Tensor resize_positions(const at::Tensor& table, Grid from, Grid grid) {
  if (from == grid) return table;
  const at::Tensor map = table.to(at::kFloat).reshape({1, from.height, from.width, -1}).permute({0, 3, 1, 2});
  const at::Tensor resized =
      at::_upsample_bicubic2d_aa(map, {grid.height, grid.width}, /*align_corners=*/false);
  return resized.permute({0, 2, 3, 1}).reshape({1, grid.size(), -1});
}

at::Tensor to_planes(const at::Tensor& x, Grid grid) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), grid.height, grid.width});
}

std::vector<QueryKeys> query_keys(const Model& model, int block, const at::Tensor& x) {
  const AttentionKind kind = model.spec().blocks[static_cast<size_t>(block)].attention;
  if (kind == AttentionKind::kNone) return {};
  const at::Tensor normed = model.layer_norm(x, architecture::block_prefix(model.spec(), block) + "norm1")
                                .to(model.compute_dtype());
  std::vector<QueryKeys> out =
      attention_of(kind).query_keys(model, attention_site(model.spec(), block), normed);
  for (QueryKeys& part : out) {
    part.q = part.q.to(at::kFloat);
    part.k = part.k.to(at::kFloat);
  }
  return out;
}

}  // namespace vitrim::model
