#include "model/family.h"

#include <ATen/ATen.h>

#include <set>
#include <stdexcept>

#include "architecture/infer.h"
#include "model/attention.h"
#include "model/layout.h"
#include "model/segmentation.h"
#include "vitrim/core/suggest.h"
#include "vitrim/model/channels.h"
#include "vitrim/model/parameter_names.h"
#include "vitrim/model/quantized.h"

namespace vitrim::model {

void Family::add_transition(const ModelSpec&, int, std::vector<ParameterInfo>&) const {}
int64_t Family::transition_macs(const ModelSpec&, int) const { return 0; }
at::Tensor Family::transition(const Model&, int, const at::Tensor& x) const { return x; }
at::Tensor Family::fit(const ModelSpec&, const ParameterInfo&, const at::Tensor& tensor) const {
  return tensor;
}
void Family::add_classifier(const ModelSpec& spec, std::vector<ParameterInfo>& out) const {
  if (spec.num_classes > 0) add_linear(out, "head", spec.num_classes, spec.feature_dim());
}

namespace {

struct Named {
  std::string name;
  const Family* family;
};

const std::vector<Named>& registry() {
  static const std::vector<Named> families = {
      {"vit", &vit_family()}, {"swin", &swin_family()},     {"flatten_swin", &flatten_swin_family()},
      {"pvt", &pvt_family()}, {"pvt_v2", &pvt_v2_family()}, {"cswin", &cswin_family()}};
  return families;
}

}  // namespace

const Family& family_of(const ModelSpec& spec) {
  for (const Named& known : registry()) {
    if (known.name == spec.family) return *known.family;
  }
  std::vector<std::string> names;
  for (const Named& known : registry()) names.push_back(known.name);
  throw std::invalid_argument("[model::family_of] unknown model family '" + spec.family +
                              "'; did you mean '" + nearest(spec.family, names) + "'?");
}

Output classify_average(const Model& model, const at::Tensor& x, const std::string& head) {
  Output out;
  out.features = x.mean(1);
  if (model.spec().num_classes > 0) out.logits = model.linear(out.features, head).to(at::kFloat);
  return out;
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

at::Tensor resize_positions(const at::Tensor& table, Grid grid) {
  const int64_t old = table.size(1);
  const int64_t side = architecture::side_of(old);
  if (old == grid.size() || side == 0) return table;
  return resize_positions(table, {side, side}, grid);
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

namespace {

void add_block(const ModelSpec& spec, const Family& family, int index, std::vector<ParameterInfo>& out) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const std::string prefix = family.block_prefix(spec, index);
  const int64_t dim = block.embed_dim;
  size_t from = out.size();
  auto label = [&](Part part) {
    for (; from < out.size(); ++from) {
      out[from].part = part;
      out[from].block = index;
    }
  };
  if (block.attention != AttentionKind::kNone) {
    add_norm(out, prefix + "norm1", dim);
    const AttentionSite site = attention_site(spec, index);
    attention_of(block.attention).add_parameters(site, out);
    add_linear(out, site.names + "proj", dim, site.v_width());
    if (spec.layer_scale) out.push_back({prefix + "ls1.gamma", {dim}});
  }
  label(Part::kAttention);
  add_norm(out, prefix + "norm2", dim);
  add_linear(out, prefix + "mlp.fc1", spec.fc1_rows(index), dim);
  if (family.mlp_convolution()) add_convolution(out, prefix + "mlp.dwconv.dwconv", block.mlp_dim, 1, 3);
  add_linear(out, prefix + "mlp.fc2", dim, block.mlp_dim);
  if (spec.layer_scale) out.push_back({prefix + "ls2.gamma", {dim}});
  label(Part::kMlp);
}

// Behind the weights of int8 layers stand their scales.
void add_scales(const ModelSpec& spec, std::vector<ParameterInfo>& out) {
  std::set<std::string> weights;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    for (const QuantizableLayer& layer : quantizable_layers(spec, i)) {
      if (spec.blocks[static_cast<size_t>(i)].int8.*layer.member) weights.insert(layer.name + ".weight");
    }
  }
  std::vector<ParameterInfo> all;
  for (ParameterInfo& info : out) {
    const bool int8 = weights.contains(info.name);
    info.int8 = int8;
    all.push_back(info);
    if (!int8) continue;
    ParameterInfo scale{info.name + "_scale", {info.shape[0], 1}, info.part, info.block};
    scale.scale = true;
    all.push_back(scale);
  }
  out = std::move(all);
}

}  // namespace

std::vector<ParameterInfo> parameter_layout(const ModelSpec& spec) {
  validate(spec);
  const Family& family = family_of(spec);
  std::vector<ParameterInfo> out;
  family.add_embedding(spec, out);
  for (int i = 0, stage = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    if (spec.position(i).stage > stage) family.add_transition(spec, ++stage, out);
    add_block(spec, family, i, out);
  }
  size_t from = out.size();
  family.add_norms(spec, out);
  for (; from < out.size(); ++from) out[from].part = Part::kNorm;
  if (spec.segmentation) {
    add_segmentation_head(spec, out);
  } else {
    family.add_classifier(spec, out);
  }
  for (; from < out.size(); ++from) out[from].part = Part::kClassifier;
  if (spec.quantized()) add_scales(spec, out);
  return out;
}

std::vector<QuantizableLayer> quantizable_layers(const ModelSpec& spec, int block) {
  const std::string prefix = block_prefix(spec, block);
  std::vector<QuantizableLayer> out;
  if (spec.blocks[static_cast<size_t>(block)].attention != AttentionKind::kNone) {
    const AttentionSite site = attention_site(spec, block);
    if (site.block.attention == AttentionKind::kStatic) {
      out.push_back({site.names + "v", &QuantizedLayers::qkv});
    } else if (site.separate_q) {
      out.push_back({site.names + "q", &QuantizedLayers::qkv});
      out.push_back({site.names + "kv", &QuantizedLayers::qkv});
    } else {
      out.push_back({site.names + "qkv", &QuantizedLayers::qkv});
    }
    out.push_back({site.names + "proj", &QuantizedLayers::proj});
  }
  out.push_back({prefix + "mlp.fc1", &QuantizedLayers::fc1});
  out.push_back({prefix + "mlp.fc2", &QuantizedLayers::fc2});
  return out;
}

std::string block_prefix(const ModelSpec& spec, int block) {
  return family_of(spec).block_prefix(spec, block);
}
std::string projection_name(const ModelSpec& spec, int block) {
  return family_of(spec).attention_prefix(spec, block) + "proj";
}
std::vector<std::string> stream_writers(const ModelSpec& spec, int stage) {
  return family_of(spec).stream_writers(spec, stage);
}
bool has_mlp_convolution(const ModelSpec& spec) { return family_of(spec).mlp_convolution(); }

std::vector<ChannelSlice> channel_slices(const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  std::vector<ChannelSlice> out;
  const std::string prefix = block_prefix(spec, index);
  for (const char* name : {"mlp.fc1.weight", "mlp.fc1.bias"}) {
    for (int64_t from = 0; from < spec.fc1_rows(index); from += block.mlp_dim)
      out.push_back({prefix + name, 0, from, ChannelGroup::kMlp});
  }
  if (has_mlp_convolution(spec)) {
    for (const char* name : {"mlp.dwconv.dwconv.weight", "mlp.dwconv.dwconv.bias"})
      out.push_back({prefix + name, 0, 0, ChannelGroup::kMlp});
  }
  out.push_back({prefix + "mlp.fc2.weight", 1, 0, ChannelGroup::kMlp});
  if (block.attention == AttentionKind::kNone) return out;
  const AttentionSite site = attention_site(spec, index);
  attention_of(block.attention).add_channels(site, out);
  out.push_back({site.names + "proj.weight", 1, 0, ChannelGroup::kV, 0, block.num_heads});
  return out;
}

std::vector<QueryKeys> query_keys(const Model& model, int block, const at::Tensor& x) {
  const AttentionKind kind = model.spec().blocks[static_cast<size_t>(block)].attention;
  if (kind == AttentionKind::kNone) return {};
  const at::Tensor normed =
      model.layer_norm(x, block_prefix(model.spec(), block) + "norm1").to(model.compute_dtype());
  std::vector<QueryKeys> out =
      attention_of(kind).query_keys(model, attention_site(model.spec(), block), normed);
  for (QueryKeys& part : out) {
    part.q = part.q.to(at::kFloat);
    part.k = part.k.to(at::kFloat);
  }
  return out;
}

QkFold qk_fold(const ModelSpec& spec, int block) {
  return attention_of(spec.blocks[static_cast<size_t>(block)].attention).qk_fold(attention_site(spec, block));
}

bool can_prune(const ModelSpec& spec, int block, ChannelGroup group) {
  if (group == ChannelGroup::kMlp) return true;
  if (spec.blocks[static_cast<size_t>(block)].attention == AttentionKind::kNone) return false;
  if (group == ChannelGroup::kV) return true;
  return spec.blocks[static_cast<size_t>(block)].qk_dim > 0 && !spec.qk_norm;
}

int64_t attention_macs(const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  if (block.attention == AttentionKind::kNone) return 0;
  const AttentionSite site = attention_site(spec, index);
  return attention_of(block.attention).macs(site) + site.tokens() * block.embed_dim * site.v_width();
}

int64_t mlp_macs(const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const int64_t convolution = has_mlp_convolution(spec) ? 9 * block.mlp_dim : 0;
  return spec.mlp_tokens(index) * (block.embed_dim * (spec.fc1_rows(index) + block.mlp_dim) + convolution);
}

int64_t embedding_macs(const ModelSpec& spec) {
  const Family& family = family_of(spec);
  int64_t total = family.embedding_macs(spec);
  for (int stage = 1; stage < spec.num_stages(); ++stage) total += family.transition_macs(spec, stage);
  return total;
}

int64_t classifier_macs(const ModelSpec& spec) {
  if (spec.segmentation) return segmentation_macs(spec);
  return spec.feature_dim() * spec.num_classes * (spec.distillation_token ? 2 : 1);
}

int64_t total_macs(const ModelSpec& spec) {
  int64_t total = embedding_macs(spec) + classifier_macs(spec);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i)
    total += attention_macs(spec, i) + mlp_macs(spec, i);
  return total;
}

}  // namespace vitrim::model
