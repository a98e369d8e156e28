// Infers the architecture of models with stages from the names and shapes of their tensors: Swin, PVT, CSwin
// and FLatten's variants of them.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "architecture/infer.h"

namespace vitrim::architecture {

namespace {

int64_t rows(const TensorTable& state, const std::string& name, int64_t dims, int64_t dim = 0) {
  return need(state, name, dims).size(dim);
}

// The heads of the stages: stated, or from FLatten's depthwise filters, which are as wide as a head, or those
// of the published models.
class StageHeads {
 public:
  StageHeads(const TensorTable& state, const Evidence& evidence, int64_t stages)
      : state_(state), evidence_(evidence), usual_(static_cast<size_t>(stages), 0) {
    const size_t given = evidence.hints.num_heads.size();
    if (given > 1 && given != usual_.size()) {
      throw std::invalid_argument("[architecture::infer_spec] " + std::to_string(given) +
                                  " numbers of heads for " + std::to_string(stages) + " stages");
    }
  }

  /// `width`: number of value channels that `filters` belongs to.
  int64_t operator()(int64_t stage, const std::string& filters, int64_t width, int64_t usual) {
    const auto& given = evidence_.hints.num_heads;
    if (!given.empty()) return given.size() == 1 ? given[0] : given[static_cast<size_t>(stage)];
    if (state_.contains(filters)) return width / std::max<int64_t>(1, rows(state_, filters, 4));
    return usual_[static_cast<size_t>(stage)] = usual;
  }
  /// Call it after the last block: records which numbers of heads were assumed.
  void tell(bool published) const {
    std::string text;
    for (const int64_t heads : usual_) text += (text.empty() ? "" : ",") + std::to_string(heads);
    if (std::all_of(usual_.begin(), usual_.end(), [](int64_t heads) { return heads == 0; })) return;
    evidence_.assume({"num_heads", text,
                      published ? "as the published models of these widths"
                                : "as the published models of this family, whose widths are others",
                      "--num-heads", !published});
  }

 private:
  const TensorTable& state_;
  const Evidence& evidence_;
  std::vector<int64_t> usual_;
};

// The widths of a block's attention, from the columns of its value projection and the number of all rows.
void set_widths(const TensorTable& state, const std::string& place, BlockSpec& block, int64_t projected,
                int64_t values) {
  const int64_t heads = block.num_heads;
  if (heads <= 0 || values % heads != 0 || projected <= values || (projected - values) % (2 * heads) != 0) {
    refuse(state, place,
           "num_heads " + std::to_string(heads) +
               " does not divide the attention's channels; pass --num-heads with one number per stage");
  }
  block.v_dim = values / heads;
  block.qk_dim = (projected - values) / (2 * heads);
}

int64_t count_stages(const TensorTable& state, const std::string& prefix, const std::string& suffix,
                     int64_t first) {
  const int64_t stages = count_numbered(state, prefix, suffix, first);
  if (stages < 1 || stages > 16)
    refuse(state, prefix + std::to_string(first) + suffix,
           "found " + std::to_string(stages) + " stages, expected 1 to 16");
  return stages;
}

// The beginning that all these models share.
ModelSpec begin(const TensorTable& state, const Evidence& evidence, const std::string& family,
                const std::string& patches) {
  ModelSpec spec;
  spec.family = family;
  spec.embed_dim = rows(state, patches, 4);
  spec.in_channels = rows(state, patches, 4, 1);
  spec.patch_size = 4;
  spec.class_token = false;
  spec.embed_prefix_tokens = false;
  spec.pooling = Pooling::kAverage;
  spec.norm_eps = infer_norm_eps(state, evidence, family.starts_with("pvt") ? 1e-6 : 1e-5, /*guess=*/false);
  if (const auto power = metadata_count(state, {"focusing_factor"})) spec.focusing_factor = *power;
  return spec;
}

// `told`: the value that the tensors determine; 0 if they do not.
void set_image_size(ModelSpec& spec, const TensorTable& state, const Evidence& evidence, int64_t told,
                    int64_t usual = 224) {
  int64_t size = evidence.hints.image_size.value_or(told);
  if (size == 0) {
    size = usual;
    evidence.assume(
        {"image_size", std::to_string(size), "as most published models of this kind", "--image-size", true});
  }
  spec.image_size = {size, size};
  spec.preprocess = infer_preprocess(state, evidence, size);
}

// The side of the map that a table of positions covers; 0 if it is not square.
int64_t map_side(const TensorTable& state, const std::string& table) {
  const int64_t positions = rows(state, table, 3, 1), side = side_of(positions);
  if (side == 0) {
    refuse(state, table,
           "its " + std::to_string(positions) +
               " positions do not form a square image; vitrim takes square images only");
  }
  return side;
}

BlockSpec begin_block(const TensorTable& state, const std::string& prefix, int64_t dim) {
  BlockSpec block;
  block.embed_dim = dim;
  block.mlp_dim = rows(state, prefix + "mlp.fc1.weight", 2);
  block.attention = AttentionKind::kNone;
  return block;
}

void finish(const TensorTable& state, const Evidence& evidence, ModelSpec& spec, const std::string& head) {
  if (evidence.usual) spec.activation = evidence.usual->activation;
  const bool focused = std::any_of(spec.blocks.begin(), spec.blocks.end(), [](const BlockSpec& block) {
    return is_linear_attention(block.attention);
  });
  if (focused && metadata_value(state, {"focusing_factor"}).empty()) {
    evidence.assume({"focusing_factor", std::to_string(spec.focusing_factor),
                     "as FLatten-Transformer's models", "", false});
  }
  spec.num_classes = state.contains(head) ? rows(state, head, 2) : 0;
  spec.qkv_bias = false;
  for (const auto& [name, tensor] : state.entries()) {
    spec.qkv_bias = spec.qkv_bias || name.ends_with("qkv.bias") || name.ends_with("attn.q.bias");
    if (name.ends_with(".dwc.weight") && tensor.dim() == 4) spec.filter_size = tensor.size(2);
  }
}

}  // namespace

void follow_image_size(ModelSpec& spec, int64_t before) {
  for (int i = 0; i < static_cast<int>(spec.blocks.size()); ++i) {
    BlockSpec& block = spec.blocks[static_cast<size_t>(i)];
    const ModelSpec::Position at = spec.position(i);
    const Grid grid = spec.block_grid(i);
    if (spec.family == "swin" || spec.family == "flatten_swin") {
      // Every second block is shifted by half a window, unless one window is the whole map.
      const bool shifts = block.attention != AttentionKind::kNone && at.index % 2 == 1 &&
                          std::min(grid.height, grid.width) > block.window;
      block.shift = shifts ? block.window / 2 : 0;
    } else if (block.attention == AttentionKind::kCrossShapedWindow && at.stage >= 2 && block.window > 0 &&
               block.window == before / 32) {
      block.window =
          spec.image_size[0] / 32;  // as in the published models at 224 and 384; other stripes do not change
    }
  }
}

std::optional<ModelSpec> infer_swin(const TensorTable& state, const Evidence& evidence, bool flatten) {
  if (!state.contains("layers.0.blocks.0.mlp.fc1.weight")) return std::nullopt;
  const bool is_flatten = state.contains("layers.0.downsample.reduction.weight") ||
                          (!state.contains("head.fc.weight") && state.contains("head.weight"));
  if (is_flatten != flatten) return std::nullopt;
  ModelSpec spec = begin(state, evidence, flatten ? "flatten_swin" : "swin", "patch_embed.proj.weight");
  spec.patch_size = rows(state, "patch_embed.proj.weight", 4, 2);
  const int64_t stages = count_stages(state, "layers.", ".blocks.0.", 0);
  StageHeads heads_of(state, evidence, stages);
  int64_t map = 0;  // side of the first stage's map, if a buffer determines it
  for (int64_t s = 0; s < stages; ++s) {
    const std::string layer = "layers." + std::to_string(s) + ".blocks.";
    const int64_t depth = count_numbered(state, layer, ".");
    const int64_t dim = rows(state, layer + "0.norm2.weight", 1);
    spec.stages.push_back({depth, dim});
    for (int64_t j = 0; j < depth; ++j) {
      const std::string prefix = layer + std::to_string(j) + ".",
                        table = prefix + "attn.relative_position_bias_table";
      BlockSpec block = begin_block(state, prefix, dim);
      if (state.contains(prefix + "attn.qkv.weight")) {
        const int64_t values = rows(state, prefix + "attn.proj.weight", 2, 1);
        if (state.contains(table)) {
          block.attention = AttentionKind::kWindow;
          block.num_heads = rows(state, table, 2, 1);
          block.window = (side_of(rows(state, table, 2)) + 1) / 2;
        } else {
          block.attention = AttentionKind::kFocusedLinear;
          block.num_heads = heads_of(s, prefix + "attn.dwc.weight", values, dim / 32);
          block.window = side_of(rows(state, prefix + "attn.positional_encoding", 3, 1));
        }
        if (block.window == 0) refuse(state, prefix + "attn", "its window is not square");
        set_widths(state, prefix + "attn.qkv.weight", block, rows(state, prefix + "attn.qkv.weight", 2),
                   values);
        if (state.contains(prefix + "attn_mask"))
          map = side_of(rows(state, prefix + "attn_mask", 3)) * block.window << s;
      }
      spec.blocks.push_back(block);
    }
  }
  const int64_t first_window = spec.blocks[0].window;
  set_image_size(spec, state, evidence, map * spec.patch_size,
                 first_window == 12 || first_window == 96 ? 384 : 224);
  follow_image_size(spec, spec.image_size[0]);
  heads_of.tell(/*published=*/false);
  finish(state, evidence, spec, flatten ? "head.weight" : "head.fc.weight");
  return spec;
}

namespace {

bool is_published_pvt(const ModelSpec& spec) {
  std::vector<int64_t> widths;
  for (const StageSpec& stage : spec.stages) widths.push_back(stage.embed_dim);
  return widths == std::vector<int64_t>{64, 128, 320, 512} ||
         widths == std::vector<int64_t>{32, 64, 160, 256};
}

}  // namespace

std::optional<ModelSpec> infer_pvt(const TensorTable& state, const Evidence& evidence, bool second) {
  if (!state.contains("patch_embed1.proj.weight") || !state.contains("block1.0.mlp.fc1.weight"))
    return std::nullopt;
  if (state.contains("norm1.weight") != second) return std::nullopt;
  if (state.contains("cls_token"))
    refuse(state, "cls_token",
           "a PVT with a class token (the original's last stage) is not supported; FLatten-Transformer's PVT "
           "averages tokens");
  ModelSpec spec = begin(state, evidence, second ? "pvt_v2" : "pvt", "patch_embed1.proj.weight");
  spec.final_norm = second;
  if (!second) spec.patch_size = rows(state, "patch_embed1.proj.weight", 4, 2);
  const int64_t stages = count_stages(state, "block", ".0.", 1);
  const std::vector<int64_t> usual = {1, 2, 5, 8};
  StageHeads heads_of(state, evidence, stages);
  int64_t size = second ? 0 : map_side(state, "pos_embed1") * spec.patch_size;
  for (int64_t s = 0; s < stages; ++s) {
    const std::string layer = "block" + std::to_string(s + 1) + ".";
    const int64_t depth = count_numbered(state, layer, "."), dim = rows(state, layer + "0.norm2.weight", 1);
    spec.stages.push_back({depth, dim});
    for (int64_t j = 0; j < depth; ++j) {
      const std::string prefix = layer + std::to_string(j) + ".", attention = prefix + "attn.";
      BlockSpec block = begin_block(state, prefix, dim);
      if (state.contains(attention + "q.weight")) {
        const bool linear = state.contains(attention + "scale");
        const int64_t queries = rows(state, attention + "q.weight", 2),
                      values = rows(state, attention + "proj.weight", 2, 1);
        block.attention = linear ? AttentionKind::kFocusedLinear : AttentionKind::kSoftmax;
        if (state.contains(attention + "sr.weight"))
          block.sr_ratio = rows(state, attention + "sr.weight", 4, 2);
        block.num_heads =
            heads_of(s, attention + "dwc.weight", values,
                     s < 4 && stages == 4 ? usual[static_cast<size_t>(s)] : std::max<int64_t>(1, dim / 64));
        set_widths(state, attention + "kv.weight", block, queries + rows(state, attention + "kv.weight", 2),
                   values);
        if (linear && size == 0)
          size = (map_side(state, attention + "positional_encoding") * block.sr_ratio * spec.patch_size) << s;
      }
      spec.blocks.push_back(block);
    }
  }
  set_image_size(spec, state, evidence, size);
  heads_of.tell(is_published_pvt(spec));
  finish(state, evidence, spec, "head.weight");
  return spec;
}

namespace {

// CSwin-T and -S, -B, -L, recognised by the channels of their first stage.
int64_t published_cswin_heads(int64_t embed_dim, int64_t stage) {
  if (embed_dim == 144) return std::min<int64_t>(6 << stage, 24);
  return int64_t{embed_dim == 96 ? 4 : 2} << stage;
}

}  // namespace

std::optional<ModelSpec> infer_cswin(const TensorTable& state, const Evidence& evidence) {
  if (!state.contains("stage1_conv_embed.0.weight")) return std::nullopt;
  ModelSpec spec = begin(state, evidence, "cswin", "stage1_conv_embed.0.weight");
  const int64_t stages = count_stages(state, "stage", ".0.", 1);
  // Focused attention over the whole map determines the map's size; stripes and softmax do not.
  StageHeads heads_of(state, evidence, stages);
  int64_t size = evidence.hints.image_size.value_or(0);
  for (int64_t s = 0; s < stages && size == 0; ++s) {
    const std::string block = "stage" + std::to_string(s + 1) + ".0.attns.";
    if (!state.contains(block + "1.get_v.weight") && state.contains(block + "0.positional_encoding")) {
      size = (map_side(state, block + "0.positional_encoding") * spec.patch_size) << s;
    }
  }
  set_image_size(spec, state, evidence, size);
  size = spec.image_size[0];
  bool stripes_assumed = false;
  for (int64_t s = 0; s < stages; ++s) {
    const std::string layer = "stage" + std::to_string(s + 1) + ".";
    const int64_t depth = count_numbered(state, layer, "."), dim = rows(state, layer + "0.norm2.weight", 1);
    const int64_t map = std::max<int64_t>(1, size / (spec.patch_size << s));
    spec.stages.push_back({depth, dim});
    for (int64_t j = 0; j < depth; ++j) {
      const std::string prefix = layer + std::to_string(j) + ".", first = prefix + "attns.0.";
      BlockSpec block = begin_block(state, prefix, dim);
      if (state.contains(prefix + "qkv.weight")) {
        const bool linear = state.contains(first + "scale"),
                   stripes = state.contains(prefix + "attns.1.get_v.weight");
        const int64_t values = rows(state, prefix + "proj.weight", 2, 1);
        block.attention = linear ? AttentionKind::kCrossFocusedLinear : AttentionKind::kCrossShapedWindow;
        block.num_heads = heads_of(s, first + "dwc.weight", stripes ? values / 2 : values,
                                   published_cswin_heads(spec.embed_dim, s));
        // The rows of a filter are those of one head; its branch has half of the heads.
        if (evidence.hints.num_heads.empty() && stripes && state.contains(first + "dwc.weight"))
          block.num_heads *= 2;
        set_widths(state, prefix + "qkv.weight", block, rows(state, prefix + "qkv.weight", 2), values);
        if (stripes && linear) {
          block.window = rows(state, first + "positional_encoding", 3, 1) / std::max<int64_t>(1, map);
        } else if (stripes) {
          // With softmax the tensors do not determine the width of stripes: the published models' 1, 2, and
          // 1/32 of the image are assumed.
          block.window = s < 2 ? s + 1 : size / 32;
          stripes_assumed = true;
        }
      }
      spec.blocks.push_back(block);
    }
  }
  const bool published = spec.embed_dim == 64 || spec.embed_dim == 96 || spec.embed_dim == 144;
  heads_of.tell(published);
  if (stripes_assumed) {
    evidence.assume(
        {"window", "1,2," + std::to_string(size / 32), "stripes as in the published models", "", !published});
  }
  finish(state, evidence, spec, "head.weight");
  return spec;
}

}  // namespace vitrim::architecture
