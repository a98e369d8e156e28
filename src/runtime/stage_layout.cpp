#include "runtime/stage_layout.h"

#include <set>

namespace vitrim::runtime {

namespace {

bool is_swin(const ModelSpec& spec) { return spec.family == "swin" || spec.family == "flatten_swin"; }
bool is_pvt(const ModelSpec& spec) { return spec.family == "pvt" || spec.family == "pvt_v2"; }
std::string numbered(const char* name, int stage) { return name + std::to_string(stage + 1); }

StepLayout swin_step(const ModelSpec& spec, int stage) {
  StepLayout out;
  if (stage == 0) {
    out.projection = "patch_embed.proj";
    out.norm_after = "patch_embed.norm";
    out.kernel = out.stride = spec.patch_size;
    return out;
  }
  const std::string name =
      "layers." + std::to_string(spec.family == "swin" ? stage : stage - 1) + ".downsample.";
  out.norm_patch = name + "norm";
  out.projection = name + "reduction";
  out.kernel = out.stride = 2;
  out.bias = false;
  out.linear = true;
  return out;
}

StepLayout pvt_step(const ModelSpec& spec, int stage) {
  StepLayout out;
  out.projection = numbered("patch_embed", stage) + ".proj";
  out.norm_after = numbered("patch_embed", stage) + ".norm";
  out.stride = stage == 0 ? spec.patch_size : 2;
  if (spec.family == "pvt") {
    out.kernel = out.stride;
    out.positions = numbered("pos_embed", stage);
    return out;
  }
  out.kernel = stage == 0 ? 7 : 3;
  out.padding = out.kernel / 2;
  if (stage > 0) out.norm_before = numbered("norm", stage - 1);
  return out;
}

StepLayout cswin_step(const ModelSpec& spec, int stage) {
  StepLayout out;
  const std::string name = "merge" + std::to_string(stage) + ".";
  out.projection = stage == 0 ? "stage1_conv_embed.0" : name + "conv";
  out.norm_after = stage == 0 ? "stage1_conv_embed.2" : name + "norm";
  out.kernel = stage == 0 ? 7 : 3;
  out.stride = stage == 0 ? spec.patch_size : 2;
  out.padding = stage == 0 ? 2 : 1;
  return out;
}

}  // namespace

StepLayout step_layout(const ModelSpec& spec, int stage) {
  return is_swin(spec)  ? swin_step(spec, stage)
         : is_pvt(spec) ? pvt_step(spec, stage)
                        : cswin_step(spec, stage);
}

int64_t step_channels(const ModelSpec& spec, int stage) {
  return stage == 0 ? spec.in_channels : spec.stage_dim(stage - 1);
}

std::string block_names(const ModelSpec& spec, int block) {
  const ModelSpec::Position at = spec.position(block);
  if (is_swin(spec))
    return "layers." + std::to_string(at.stage) + ".blocks." + std::to_string(at.index) + ".";
  return numbered(is_pvt(spec) ? "block" : "stage", at.stage) + "." + std::to_string(at.index) + ".";
}

std::string attention_names(const ModelSpec& spec, int block) {
  return block_names(spec, block) + (spec.family == "cswin" ? "" : "attn.");
}
bool separate_queries(const ModelSpec& spec) { return is_pvt(spec); }
bool convolves_hidden(const ModelSpec& spec) { return spec.family == "pvt_v2"; }

std::string final_norm_name(const ModelSpec& spec) {
  if (spec.family == "pvt") return "";
  return spec.family == "pvt_v2" ? numbered("norm", spec.num_stages() - 1) : "norm";
}

std::string head_name(const ModelSpec& spec) { return spec.family == "swin" ? "head.fc" : "head"; }

std::string why_no_stages(const ModelSpec& spec) {
  static const std::set<std::string> known = {"swin", "flatten_swin", "pvt", "pvt_v2", "cswin"};
  // A kind that is added to the models is refused here until the engine does it.
  static const std::set<AttentionKind> kinds = {
      AttentionKind::kNone,          AttentionKind::kSoftmax,     AttentionKind::kWindow,
      AttentionKind::kFocusedLinear, AttentionKind::kCrossWindow, AttentionKind::kCrossFocusedLinear,
      AttentionKind::kStatic};
  if (known.count(spec.family) == 0)
    return "the native engine does not know family " + spec.family + "; use LibTorch's path";
  if (spec.qk_norm)
    return "the native engine norms queries and keys of ViTs only, not of family " + spec.family +
           "; use LibTorch's path";
  if (spec.prefix_tokens() > 0)
    return "the native engine takes no class, distillation or register tokens in family " + spec.family +
           "; use LibTorch's path";
  for (const BlockSpec& block : spec.blocks) {
    if (kinds.count(block.attention) == 0)
      return "the native engine does not know attention \"" + attention_name(block.attention) +
             "\"; use LibTorch's path";
    if (block.sr_ratio > 1 && !separate_queries(spec))
      return "the native engine makes smaller maps of keys in PVTs only, not in family " + spec.family +
             "; use LibTorch's path";
  }
  return "";
}

namespace {

// One attention, its last projection included.
int64_t attention_macs(const ModelSpec& spec, int index) {
  const BlockSpec& block = spec.blocks[static_cast<size_t>(index)];
  if (block.attention == AttentionKind::kNone) return 0;
  if (block.attention == AttentionKind::kStatic) {
    const int64_t n = spec.block_grid(index).size(), v = block.num_heads * block.v_dim;
    return n * v * (2 * block.embed_dim + block.filter * block.filter) + v;
  }
  const Grid grid = spec.block_grid(index);
  const int64_t n = grid.size(), dim = block.embed_dim, qk = block.num_heads * block.qk_dim,
                v = block.num_heads * block.v_dim, sr = block.sr_ratio;
  const int64_t keys = (grid.height / sr) * (grid.width / sr), filter = spec.filter_size * spec.filter_size;
  const bool cross =
      block.attention == AttentionKind::kCrossWindow || block.attention == AttentionKind::kCrossFocusedLinear;
  int64_t total = n * dim * qk + keys * dim * (qk + v) + n * v * dim;
  if (sr > 1) total += n * dim * dim;
  if (cross) total += n * v * 9;  // the filter that tells positions
  if (is_linear_attention(block.attention))
    return total + n * qk + (keys + n) * qk * block.v_dim + n * v * filter;
  if (block.window == 0) return total + n * keys * (qk + v);
  // Stripes: half of the heads down the map, half across.
  return total + (cross ? n * block.window * (grid.height + grid.width) * (qk + v) / 2
                        : n * block.window * block.window * (qk + v));
}

}  // namespace

int64_t stage_macs(const ModelSpec& spec) {
  int64_t total = spec.feature_dim() * spec.num_classes;
  for (int stage = 0; stage < spec.num_stages(); ++stage) {
    const int64_t kernel = step_layout(spec, stage).kernel;
    total +=
        spec.stage_grid(stage).size() * spec.stage_dim(stage) * step_channels(spec, stage) * kernel * kernel;
  }
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    total += attention_macs(spec, i) + spec.block_grid(i).size() * block.mlp_dim *
                                           (2 * block.embed_dim + (convolves_hidden(spec) ? 9 : 0));
  }
  return total;
}

}  // namespace vitrim::runtime
