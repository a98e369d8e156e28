#include "vitrim/architecture/parameters.h"

#include <set>
#include <string_view>

#include "architecture/infer.h"
#include "architecture/layout.h"
#include "architecture/segmentation.h"
#include "core/join.h"
#include "vitrim/architecture/attention.h"
#include "vitrim/architecture/input_gain.h"
#include "vitrim/core/error.h"

namespace vitrim::architecture {

namespace {

// The number of positions for tokens before the map in a ViT's table.
int64_t embedded_prefix(const ModelSpec& spec) { return spec.embed_prefix_tokens ? spec.prefix_tokens() : 0; }

void add_vit_embedding(const ModelSpec& spec, std::vector<ParameterInfo>& out) {
  const int64_t dim = spec.embed_dim;
  const StepLayout step = step_layout(spec, 0);
  if (spec.class_token) out.push_back({"cls_token", {1, 1, dim}});
  if (spec.distillation_token) out.push_back({"dist_token", {1, 1, dim}});
  if (spec.register_tokens > 0) out.push_back({"reg_token", {1, spec.register_tokens, dim}});
  out.push_back({step.positions, {1, spec.stage_grid(0).size() + embedded_prefix(spec), dim}});
  add_convolution(out, step.projection, dim, spec.in_channels, step.kernel, step.bias);
  if (spec.pre_norm) add_norm(out, "norm_pre", dim);
}

void add_step(const ModelSpec& spec, int stage, std::vector<ParameterInfo>& out) {
  const int64_t dim = spec.stage_dim(stage), channels = step_channels(spec, stage);
  const StepLayout step = step_layout(spec, stage);
  const int64_t inputs = step.kernel * step.kernel * channels;
  if (!step.positions.empty()) out.push_back({step.positions, {1, spec.stage_grid(stage).size(), dim}});
  if (!step.norm_patch.empty()) add_norm(out, step.norm_patch, inputs);
  if (step.linear) {
    add_linear(out, step.projection, dim, inputs, step.bias);
  } else {
    add_convolution(out, step.projection, dim, channels, step.kernel, step.bias);
  }
  if (!step.norm_after.empty()) add_norm(out, step.norm_after, dim);
  if (!step.norm_before.empty()) add_norm(out, step.norm_before, channels);
}

void add_projections(const AttentionSite& site, std::vector<ParameterInfo>& out) {
  const int64_t dim = site.block.embed_dim, sr = site.block.sr_ratio;
  if (!site.separate_q) {
    add_linear(out, site.names + "qkv", 2 * site.qk_width() + site.v_width(), dim, site.spec.qkv_bias);
    return;
  }
  add_linear(out, site.names + "q", site.qk_width(), dim, site.spec.qkv_bias);
  add_linear(out, site.names + "kv", site.qk_width() + site.v_width(), dim, site.spec.qkv_bias);
  if (sr > 1) {
    add_convolution(out, site.names + "sr", dim, dim, sr);
    add_norm(out, site.names + "norm", dim);
  }
}

void add_focused(const AttentionSite& site, const AttentionBranch& branch, std::vector<ParameterInfo>& out) {
  const int64_t width = branch.heads * site.block.qk_dim,
                keys = site.block.sr_ratio > 1 ? key_grid(site).size() : branch.region.size(),
                filters = site.block.per_head_filters ? branch.heads * site.block.v_dim : site.block.v_dim;
  out.push_back({branch.names + "scale", {1, 1, width}});
  out.push_back({branch.names + "positional_encoding", {1, keys, width}});
  add_convolution(out, branch.names + "dwc", filters, 1, site.spec.filter_size);
}

// All parameters except the last projection, in the order of the references' checkpoints.
void add_attention(const AttentionSite& site, std::vector<ParameterInfo>& out) {
  const AttentionKind kind = site.block.attention;
  const bool linear = is_linear_attention(kind), cross = has_position_filter(kind);
  if (kind == AttentionKind::kStatic) {
    const int64_t sources = 1 + site.prefix, side = site.block.filter;
    add_linear(out, site.names + "v", site.v_width(), site.block.embed_dim, site.spec.qkv_bias);
    add_convolution(out, site.names + "filter", site.v_width(), 1, side, /*bias=*/false);
    out.push_back({site.names + "shares", {site.v_width(), sources, sources}});
    return;
  }
  if (has_relative_positions(kind)) {
    const int64_t offsets = 2 * site.block.window - 1;
    out.push_back({site.names + "relative_position_bias_table", {offsets * offsets, site.block.num_heads}});
  }
  if (linear && !cross) add_focused(site, attention_branches(site).front(), out);
  add_projections(site, out);
  if (kind == AttentionKind::kSoftmax && site.spec.qk_norm) {
    add_norm(out, site.names + "q_norm", site.block.qk_dim);
    add_norm(out, site.names + "k_norm", site.block.qk_dim);
  }
  if (!cross) return;
  for (const AttentionBranch& branch : attention_branches(site)) {
    if (linear) add_focused(site, branch, out);
    add_convolution(out, branch.names + "get_v", branch.heads * site.block.v_dim, 1, kPositionFilter);
  }
}

void add_block(const ModelSpec& spec, int index, std::vector<ParameterInfo>& out) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const std::string prefix = block_prefix(spec, index);
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
    add_attention(site, out);
    add_linear(out, projection_name(spec, index), dim, site.v_width());
    if (spec.layer_scale) out.push_back({prefix + "ls1.gamma", {dim}});
  }
  label(Part::kAttention);
  add_norm(out, prefix + "norm2", dim);
  add_linear(out, prefix + "mlp.fc1", spec.fc1_rows(index), dim);
  if (has_mlp_convolution(spec))
    add_convolution(out, prefix + "mlp.dwconv.dwconv", block.mlp_dim, 1, kMlpFilter);
  add_linear(out, prefix + "mlp.fc2", dim, block.mlp_dim);
  if (spec.layer_scale) out.push_back({prefix + "ls2.gamma", {dim}});
  label(Part::kMlp);
}

void add_norms(const ModelSpec& spec, std::vector<ParameterInfo>& out) {
  const size_t from = out.size();
  const std::string name = final_norm_name(spec);
  if (!name.empty() || spec.family == "pvt") {
    add_norm(out, name.empty() ? "norm" : name, spec.stage_dim(spec.num_stages() - 1));
    for (size_t i = from; i < out.size(); ++i) out[i].used = !name.empty();
  }
  if (spec.fc_norm && spec.family == "vit") add_norm(out, "fc_norm", spec.embed_dim);
}

void add_classifier(const ModelSpec& spec, std::vector<ParameterInfo>& out) {
  if (spec.num_classes == 0) return;
  add_linear(out, head_name(spec), spec.num_classes, spec.feature_dim());
  if (spec.family == "vit" && spec.distillation_token)
    add_linear(out, "head_dist", spec.num_classes, spec.embed_dim);
}

// The weights of int8 layers are followed by their scales.
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

// Buffers that reference implementations register; they may be in a file.
bool is_known_buffer(std::string_view name) {
  for (const std::string_view suffix :
       {"relative_position_index", "attn_mask", "num_batches_tracked", "position_ids"}) {
    if (name.ends_with(suffix)) return true;
  }
  return false;
}

// A position table [1, n, C] of a square map.
TensorInfo resized_square(const TensorInfo& table, Grid grid) {
  const int64_t side = side_of(table.size(1));
  return table.size(1) == grid.size() || side == 0 ? table
                                                   : resized(table, {side, side}, grid, /*antialias=*/true);
}

}  // namespace

std::vector<ParameterInfo> parameter_layout(const ModelSpec& spec) {
  validate(spec);
  std::vector<ParameterInfo> out;
  if (spec.family == "vit") {
    add_vit_embedding(spec, out);
  } else {
    add_step(spec, 0, out);
  }
  for (int i = 0, stage = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    if (spec.position(i).stage > stage) add_step(spec, ++stage, out);
    add_block(spec, i, out);
  }
  size_t from = out.size();
  add_norms(spec, out);
  for (; from < out.size(); ++from) out[from].part = Part::kNorm;
  if (spec.segmentation) {
    add_segmentation_head(spec, out);
  } else {
    add_classifier(spec, out);
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

TensorInfo at_map_size(const ModelSpec& spec, const ParameterInfo& info, const TensorInfo& tensor) {
  const bool table = tensor.dim() == 3 && tensor.size(0) == 1 && tensor.numel() > 0 &&
                     tensor.is_floating_point() && info.shape.size() == 3;
  if (!table || tensor.size(2) != info.shape[2]) return tensor;
  if (spec.family == "vit") {
    const int64_t prefix = embedded_prefix(spec);
    if (info.name != step_layout(spec, 0).positions || tensor.size(1) <= prefix) return tensor;
    if (prefix == 0) return resized_square(tensor, spec.stage_grid(0));
    const TensorInfo map = resized_square(sliced(tensor, 1, prefix, tensor.size(1)), spec.stage_grid(0));
    return tensor.size(1) == prefix + map.size(1) ? tensor : joined({sliced(tensor, 1, 0, prefix), map}, 1);
  }
  for (int stage = 0; stage < spec.num_stages(); ++stage) {
    if (info.name == step_layout(spec, stage).positions)
      return resized_square(tensor, spec.stage_grid(stage));
  }
  // Positions of the keys of focused attention; in windows or stripes their number depends on the size of
  // these.
  if (info.block < 0 || !info.name.ends_with(".positional_encoding")) return tensor;
  const AttentionSite site = attention_site(spec, info.block);
  return site.block.window > 0 ? tensor : resized_square(tensor, key_grid(site));
}

std::string Mismatch::text() const {
  std::vector<std::string> parts;
  if (!missing.empty()) parts.push_back("missing: " + join(missing));
  if (!surplus.empty()) parts.push_back("surplus: " + join(surplus));
  if (!misshaped.empty()) parts.push_back("of another shape: " + join(misshaped));
  if (parts.empty()) return "the tensors match";
  const std::string remedy = surplus.empty()
                                 ? ""
                                 : "; a surplus tensor may be of a part that vitrim does not compute, so "
                                   "leave it out of the file only if the model works without it";
  return "the tensors do not match, " + join(parts, "; ") + remedy;
}

TensorTable matched(const ModelSpec& spec, const TensorTable& tensors) {
  Mismatch mismatch;
  TensorTable out;
  out.path = tensors.path;
  out.metadata = tensors.metadata;
  std::set<std::string, std::less<>> expected;
  for (const ParameterInfo& info : parameter_layout(spec)) {
    expected.insert(info.name);
    if (!tensors.contains(info.name)) {
      mismatch.missing.push_back(info.name);
      continue;
    }
    TensorInfo tensor = at_map_size(spec, info, tensors.at(info.name));
    if (tensor.shape != info.shape) {
      mismatch.misshaped.push_back(info.name + ": expected " + shape_text(info.shape) + ", found " +
                                   shape_text(tensor.shape));
    } else if (info.int8 ? tensor.dtype != DType::kI8 : !tensor.is_floating_point()) {
      mismatch.misshaped.push_back(info.name + ": expected " + (info.int8 ? "int8" : "floating-point") +
                                   " values, found " + std::string(dtype_name(tensor.dtype)));
    } else {
      out.add(info.name, std::move(tensor));
    }
    if (!info.int8) continue;
    const std::string layer = info.name.substr(0, info.name.rfind('.')), gain = layer + kInputGain;
    if (!tensors.contains(gain)) continue;
    expected.insert(gain);
    const TensorInfo& factors = tensors.at(gain);
    if (factors.shape != std::vector<int64_t>{info.shape[1]} || !factors.is_floating_point()) {
      mismatch.misshaped.push_back(gain + ": expected floating-point values [" +
                                   std::to_string(info.shape[1]) + "], found " + shape_text(factors.shape));
    } else {
      out.add(gain, factors);
    }
  }
  for (const auto& [name, tensor] : tensors.entries()) {
    if (!expected.contains(name) && !is_known_buffer(name)) mismatch.surplus.push_back(name);
  }
  if (!mismatch.empty())
    throw FormatError(tensors.path.empty() ? "the weights" : tensors.path, "", mismatch.text());
  return out;
}

int64_t ParameterInfo::count() const {
  int64_t count = scale ? 0 : 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

int64_t count_parameters(const ModelSpec& spec) {
  int64_t total = 0;
  for (const ParameterInfo& info : parameter_layout(spec)) total += info.count();
  return total;
}

}  // namespace vitrim::architecture
