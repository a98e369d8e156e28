// The dense model that timm's class loads: compressed blocks are padded with zeros.

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "exporter/executor.h"
#include "vitrim/architecture/parameters.h"
#include "vitrim/exporter/checkpoints.h"

namespace vitrim::exporter {

namespace {

using nlohmann::ordered_json;

constexpr const char* kTimmPlace = "[exporter::timm_model] ";
constexpr double kVitEps = 1e-6, kSwinEps = 1e-5;  // the defaults of timm's classes

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument(kTimmPlace + what); }

// [heads * width, ...] -> [heads * to, ...], zeros at the end of each head.
at::Tensor pad_heads(const at::Tensor& rows, int64_t heads, int64_t to) {
  const at::Tensor by_head = rows.unflatten(0, {heads, rows.size(0) / heads});
  std::vector<int64_t> shape = by_head.sizes().vec();
  shape[1] = to;
  at::Tensor out = at::zeros(shape, rows.options());
  out.slice(1, 0, by_head.size(1)).copy_(by_head);
  return out.flatten(0, 1);
}

at::Tensor pad_columns(const at::Tensor& matrix, int64_t heads, int64_t to) {
  return pad_heads(matrix.t(), heads, to).t().contiguous();
}

// timm uses int(dim * ratio) hidden channels.
double ratio_of(int64_t width, int64_t dim) {
  double ratio = static_cast<double>(width) / static_cast<double>(dim);
  while (static_cast<int64_t>(static_cast<double>(dim) * ratio) < width) ratio = std::nextafter(ratio, 1e9);
  return ratio;
}

// The number of heads of a stage's blocks; any number that divides the width if no block has attention.
int64_t heads_of(const ModelSpec& spec, int stage) {
  int64_t heads = 0;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    if (spec.position(i).stage != stage || block.attention == AttentionKind::kNone) continue;
    if (heads != 0 && block.num_heads != heads)
      fail("block " + std::to_string(i) + " has " + std::to_string(block.num_heads) +
           " heads, but others have " + std::to_string(heads) +
           "; timm's class supports only one number per stage");
    heads = block.num_heads;
  }
  return std::max<int64_t>(heads, 1);
}

int64_t mlp_width(const ModelSpec& spec, int stage) {
  int64_t width = 0;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    if (spec.position(i).stage == stage) width = std::max(width, spec.blocks[static_cast<size_t>(i)].mlp_dim);
  }
  return width;
}

// The window that timm gives a stage's blocks for the argument `window`, and the shift of every second block.
struct StageWindow {
  int64_t window = 0, shift = 0;
};
StageWindow timm_window(Grid grid, int64_t window) {
  const int64_t smaller = std::min(grid.height, grid.width);
  return smaller <= window ? StageWindow{smaller, 0} : StageWindow{window, window / 2};
}

// Whether timm gives a block its own window and shift for the argument `window`; for a block without
// attention, any window that divides its map is right.
bool window_fits(const ModelSpec& spec, int index, int64_t window) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  const Grid grid = spec.block_grid(index);
  const StageWindow timm = timm_window(grid, window);
  if (block.attention == AttentionKind::kNone)
    return grid.height % timm.window == 0 && grid.width % timm.window == 0;
  const bool square =
      timm.window == window || grid.height == grid.width;  // else timm cuts the window in one direction only
  return square && block.window == timm.window &&
         block.shift == (spec.position(index).index % 2 == 1 ? timm.shift : 0);
}

// The argument for timm, one per stage: one window for all if that gives every block its own (published
// models), else the window of each stage, and the smallest for a stage without attention.
std::vector<int64_t> stage_windows(const ModelSpec& spec) {
  std::vector<int64_t> windows(static_cast<size_t>(spec.num_stages()), 1);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    int64_t& window = windows[static_cast<size_t>(spec.position(i).stage)];
    window = std::max(window, spec.blocks[static_cast<size_t>(i)].window);
  }
  const int64_t largest = *std::max_element(windows.begin(), windows.end());
  bool fits = true;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) fits = fits && window_fits(spec, i, largest);
  return fits ? std::vector<int64_t>(windows.size(), largest) : windows;
}

void check_common(const ModelSpec& spec) {
  if (spec.pooling == Pooling::kTokenAndAverage)
    fail(
        "timm's class has no classifier over class token and average together; use --format onnx or "
        "safetensors");
  if (spec.merges())
    fail(
        "timm's class can't merge tokens; remove the schedule (vitrim merge MODEL --r 0) or use --format "
        "onnx");
  for (int stage = 0; stage < spec.num_stages(); ++stage) heads_of(spec, stage);  // throws on unequal numbers
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    if (block.attention == AttentionKind::kNone) continue;
    const int64_t heads = block.num_heads, width = block.embed_dim / heads;
    const std::string where = "block " + std::to_string(i) + ": ";
    if (block.embed_dim % heads != 0)
      fail(where + std::to_string(heads) + " heads do not divide embed_dim " +
           std::to_string(block.embed_dim) + ", as timm's class requires");
    if (block.qk_dim > width || block.v_dim > width)
      fail(where + "heads are wider than timm's, " + std::to_string(width) + " channels");
    if (spec.qk_norm && block.qk_dim != width)
      fail(where + "a q/k norm over " + std::to_string(block.qk_dim) +
           " channels can't be filled up to timm's " + std::to_string(width));
  }
}

void check_vit(const ModelSpec& spec) {
  if (spec.final_norm && spec.fc_norm)
    fail("timm's class has a norm before the pooling or after it, not both");
  if (spec.distillation_token && (spec.register_tokens > 0 || !spec.embed_prefix_tokens ||
                                  spec.pooling != Pooling::kToken || spec.fc_norm)) {
    fail("timm's distilled class has no registers, fc_norm or average pooling");
  }
}

void check_swin(const ModelSpec& spec) {
  for (int stage = 1; stage < spec.num_stages(); ++stage) {
    if (spec.stage_dim(stage) != 2 * spec.stage_dim(stage - 1))
      fail("stage " + std::to_string(stage) +
           " is not twice as wide as the one before, as timm's class requires");
  }
  if (spec.layer_scale) fail("timm's Swin has no LayerScale");
  const std::vector<int64_t> windows = stage_windows(spec);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    if (block.attention == AttentionKind::kNone) continue;
    if (block.attention != AttentionKind::kWindow)
      fail("block " + std::to_string(i) + ": timm's Swin supports window attention only");
    if (!window_fits(spec, i, windows[static_cast<size_t>(spec.position(i).stage)])) {
      fail("block " + std::to_string(i) + " has window " + std::to_string(block.window) + " and shift " +
           std::to_string(block.shift) + ", which timm's class does not support");
    }
  }
}

ModelSpec dense_spec(const ModelSpec& spec) {
  ModelSpec out = spec;
  const std::vector<int64_t> windows = stage_windows(spec);
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = out.blocks[static_cast<size_t>(i)];
    const ModelSpec::Position at = spec.position(i);
    if (block.attention == AttentionKind::kNone) {
      block.attention = spec.family == "vit" ? AttentionKind::kSoftmax : AttentionKind::kWindow;
      block.num_heads = heads_of(spec, at.stage);
      if (spec.family == "swin") {
        const StageWindow timm = timm_window(spec.block_grid(i), windows[static_cast<size_t>(at.stage)]);
        block.window = timm.window;
        block.shift = at.index % 2 == 1 ? timm.shift : 0;
      }
    }
    block.qk_dim = block.v_dim = block.embed_dim / block.num_heads;
    block.mlp_dim = mlp_width(spec, at.stage);
  }
  return out;
}

// The value of a parameter in an attention without effect: norms have their initial values, and everything
// else is zero, so that nothing is added to the stream.
at::Tensor idle(const architecture::ParameterInfo& info) {
  const bool one =
      (info.shape.size() == 1 && info.name.ends_with(".weight")) || info.name.ends_with(".gamma");
  return one ? at::ones(info.shape) : at::zeros(info.shape);
}

at::Tensor filled(const architecture::ParameterInfo& info, const at::Tensor& old, const BlockSpec& block) {
  const int64_t heads = block.num_heads, width = heads > 0 ? block.embed_dim / heads : 0;
  const std::string& name = info.name;
  if (name.ends_with("attn.qkv.weight") || name.ends_with("attn.qkv.bias")) {
    const std::vector<at::Tensor> parts =
        old.split_with_sizes({heads * block.qk_dim, heads * block.qk_dim, heads * block.v_dim});
    // timm divides scores by the square root of the padded width. A q norm reads unscaled queries, but then
    // the widths are equal.
    const double scale = std::sqrt(static_cast<double>(width) / static_cast<double>(block.qk_dim));
    const at::Tensor q = scale == 1 ? parts[0] : (parts[0].to(at::kDouble) * scale).to(old.scalar_type());
    return at::cat(
        {pad_heads(q, heads, width), pad_heads(parts[1], heads, width), pad_heads(parts[2], heads, width)});
  }
  if (name.ends_with("attn.proj.weight")) return pad_columns(old, heads, width);
  if (name.ends_with("mlp.fc1.weight") || name.ends_with("mlp.fc1.bias"))
    return pad_heads(old, 1, info.shape[0]);
  if (name.ends_with("mlp.fc2.weight")) return pad_columns(old, 1, info.shape[1]);
  return old;
}

ordered_json common_arguments(const ModelSpec& spec) {
  return {{"img_size", spec.image_size},     {"patch_size", spec.patch_size}, {"in_chans", spec.in_channels},
          {"num_classes", spec.num_classes}, {"embed_dim", spec.embed_dim},   {"qkv_bias", spec.qkv_bias}};
}

ordered_json vit_arguments(const ModelSpec& spec) {
  ordered_json out = common_arguments(spec);
  out["depth"] = spec.blocks.size();
  out["num_heads"] = spec.blocks.front().num_heads;
  out["mlp_ratio"] = ratio_of(spec.blocks.front().mlp_dim, spec.embed_dim);
  out["qk_norm"] = spec.qk_norm;
  if (spec.layer_scale) out["init_values"] = 1e-5;
  out["pre_norm"] = spec.pre_norm;
  out["final_norm"] = spec.final_norm || spec.fc_norm;
  out["fc_norm"] = spec.fc_norm;
  out["global_pool"] = spec.pooling == Pooling::kToken ? "token" : "avg";
  if (spec.distillation_token) return out;
  out["class_token"] = spec.class_token;
  out["reg_tokens"] = spec.register_tokens;
  out["no_embed_class"] = !spec.embed_prefix_tokens;
  return out;
}

ordered_json swin_arguments(const ModelSpec& spec, const std::vector<int64_t>& windows) {
  ordered_json out = common_arguments(spec);
  std::vector<int64_t> depths, heads;
  std::vector<double> ratios;
  int first = 0;
  for (const StageSpec& stage : spec.stages) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(first)];
    depths.push_back(stage.depth);
    heads.push_back(block.num_heads);
    ratios.push_back(ratio_of(block.mlp_dim, stage.embed_dim));
    first += static_cast<int>(stage.depth);
  }
  out["depths"] = depths;
  out["num_heads"] = heads;
  const bool alike =
      std::all_of(windows.begin(), windows.end(), [&](int64_t window) { return window == windows.front(); });
  if (alike) {
    out["window_size"] = windows.front();
  } else {  // in pairs, because two numbers would be read as the height and width of one window
    for (int64_t window : windows) out["window_size"].push_back({window, window});
  }
  out["mlp_ratio"] = ratios;
  return out;
}

}  // namespace

surgery::SpecAndWeights folded(const model::Model& model) {
  architecture::check_declared(checkpoint_executor(), model.spec(), "[exporter::folded] ");
  return surgery::fold_stream_gains({model.spec(), model.parameters()});
}

TimmModel timm_model(const model::Model& model) {
  architecture::check_declared(timm_executor(), model.spec(), kTimmPlace);
  const ModelSpec& compressed = model.spec();
  const bool vit = compressed.family == "vit";
  check_common(compressed);
  if (vit) {
    check_vit(compressed);
  } else {
    check_swin(compressed);
  }
  const at::NoGradGuard no_grad;
  const surgery::SpecAndWeights parts = folded(model);
  TimmModel out;
  out.dense.spec = dense_spec(parts.spec);
  const ModelSpec& spec = out.dense.spec;
  for (const architecture::ParameterInfo& info : architecture::parameter_layout(spec)) {
    const bool kept = parts.weights.contains(info.name);
    if (!kept && (info.part != architecture::Part::kAttention ||
                  parts.spec.blocks[static_cast<size_t>(info.block)].attention != AttentionKind::kNone)) {
      throw std::logic_error(kTimmPlace + info.name + " has no weights");
    }
    const at::Tensor value = !kept            ? idle(info)
                             : info.block < 0 ? parts.weights.at(info.name)
                                              : filled(info, parts.weights.at(info.name),
                                                       parts.spec.blocks[static_cast<size_t>(info.block)]);
    out.dense.weights.add(info.name, value);
  }
  out.class_name = !vit                      ? "timm.models.swin_transformer.SwinTransformer"
                   : spec.distillation_token ? "timm.models.deit.VisionTransformerDistilled"
                                             : "timm.models.vision_transformer.VisionTransformer";
  out.arguments = (vit ? vit_arguments(spec) : swin_arguments(spec, stage_windows(compressed))).dump();
  auto& metadata = out.dense.weights.metadata;
  metadata["format"] = "pt";
  metadata["timm.class"] = out.class_name;
  metadata["timm.arguments"] = out.arguments;
  if (spec.norm_eps != (vit ? kVitEps : kSwinEps))
    metadata["timm.norm_eps"] = ordered_json(spec.norm_eps).dump();
  metadata[kSpecMetadataKey] = to_json(spec);
  return out;
}

}  // namespace vitrim::exporter
