#include "vitrim/architecture/stages.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "vitrim/core/suggest.h"

namespace vitrim::architecture {

namespace {

bool is_vit(const ModelSpec& spec) { return spec.family == "vit"; }
bool is_swin(const ModelSpec& spec) { return spec.family == "swin" || spec.family == "flatten_swin"; }
bool is_pvt(const ModelSpec& spec) { return spec.family == "pvt" || spec.family == "pvt_v2"; }
std::string numbered(const char* name, int stage) { return name + std::to_string(stage + 1); }

// With a norm directly after the patch embedding, the embedding's bias has no effect; timm omits it.
StepLayout vit_step(const ModelSpec& spec) {
  StepLayout out;
  out.projection = "patch_embed.proj";
  out.positions = "pos_embed";
  out.kernel = out.stride = spec.patch_size;
  out.bias = !spec.pre_norm;
  return out;
}

// FLatten-Transformer has the steps between stages at the end of the earlier stage, timm at the beginning of
// the later one.
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

// FLatten-Transformer's names (for softmax attention also those of the original PVTv2). Version 2 has
// overlapping patches, a norm at the end of each stage, and no position embedding.
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

// FLatten-Transformer's names, which equal those of the original CSwin.
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

std::vector<std::string> families() { return {"vit", "swin", "flatten_swin", "pvt", "pvt_v2", "cswin"}; }

void check_family(const ModelSpec& spec) {
  const std::vector<std::string> known = families();
  if (std::find(known.begin(), known.end(), spec.family) != known.end()) return;
  throw std::invalid_argument("[architecture::check_family] unknown model family '" + spec.family +
                              "'; did you mean '" + nearest(spec.family, known) + "'?");
}

StepLayout step_layout(const ModelSpec& spec, int stage) {
  check_family(spec);
  if (is_vit(spec)) return vit_step(spec);
  return is_swin(spec)  ? swin_step(spec, stage)
         : is_pvt(spec) ? pvt_step(spec, stage)
                        : cswin_step(spec, stage);
}

int64_t step_channels(const ModelSpec& spec, int stage) {
  return stage == 0 ? spec.in_channels : spec.stage_dim(stage - 1);
}

std::string block_prefix(const ModelSpec& spec, int block) {
  check_family(spec);
  if (is_vit(spec)) return "blocks." + std::to_string(block) + ".";
  const ModelSpec::Position at = spec.position(block);
  if (is_swin(spec))
    return "layers." + std::to_string(at.stage) + ".blocks." + std::to_string(at.index) + ".";
  return numbered(is_pvt(spec) ? "block" : "stage", at.stage) + "." + std::to_string(at.index) + ".";
}

std::string attention_prefix(const ModelSpec& spec, int block) {
  return block_prefix(spec, block) + (spec.family == "cswin" ? "" : "attn.");
}
std::string projection_name(const ModelSpec& spec, int block) {
  return attention_prefix(spec, block) + "proj";
}
bool separate_queries(const ModelSpec& spec) { return is_pvt(spec); }
bool has_mlp_convolution(const ModelSpec& spec) { return spec.family == "pvt_v2"; }

std::string final_norm_name(const ModelSpec& spec) {
  if (spec.family == "pvt" || (is_vit(spec) && !spec.final_norm)) return "";
  return spec.family == "pvt_v2" ? numbered("norm", spec.num_stages() - 1) : "norm";
}

std::string head_name(const ModelSpec& spec) { return spec.family == "swin" ? "head.fc" : "head"; }

std::vector<std::string> stream_writers(const ModelSpec& spec, int stage) {
  const StepLayout step = step_layout(spec, stage);
  if (is_vit(spec)) {
    if (spec.pre_norm) return {"norm_pre.weight", "norm_pre.bias"};
    return {"cls_token",
            "dist_token",
            "reg_token",
            step.positions,
            step.projection + ".weight",
            step.projection + ".bias"};
  }
  if (step.norm_after.empty()) return {step.projection + ".weight"};
  std::vector<std::string> names = {step.norm_after + ".weight", step.norm_after + ".bias"};
  if (!step.positions.empty()) names.push_back(step.positions);
  return names;
}

int64_t size_unit(const ModelSpec& spec) {
  int64_t unit = spec.patch_size;
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    const BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    const int64_t stride = spec.patch_size << spec.position(i).stage;
    unit = std::lcm(unit, stride * std::max<int64_t>(block.window, 1) * block.sr_ratio);
  }
  return unit;
}

}  // namespace vitrim::architecture
