// Published sizes of models with stages: Swin under timm's names; PVT, PVTv2 and FLatten's models as
// FLatten-Transformer builds them.

#include <stdexcept>

#include "architecture/known.h"
#include "vitrim/architecture/known.h"

namespace vitrim::architecture {

namespace {

ModelSpec begin(const std::string& family, const StagesOptions& options, double eps) {
  ModelSpec spec;
  spec.family = family;
  spec.image_size = {options.image_size, options.image_size};
  spec.patch_size = 4;
  spec.num_classes = options.num_classes;
  spec.embed_dim = options.embed_dims.front();
  spec.class_token = spec.embed_prefix_tokens = false;
  spec.pooling = Pooling::kAverage;
  spec.norm_eps = eps;
  spec.preprocess = imagenet_preprocess(options.image_size);
  return spec;
}

void check(const StagesOptions& o) {
  const size_t n = o.depths.size();
  const auto fits = [&](const std::vector<int64_t>& list) { return list.size() == n; };
  if (n == 0 || !fits(o.embed_dims) || !fits(o.num_heads) || !fits(o.mlp_ratios) || o.attention.size() < n ||
      (!o.regions.empty() && !fits(o.regions)) || (!o.linear_regions.empty() && !fits(o.linear_regions))) {
    throw std::invalid_argument("[architecture::stages_spec] every list needs one entry a stage");
  }
  for (size_t s = 0; s < n; ++s) {
    if (o.attention[s] != 'L' && o.attention[s] != 'S')
      throw std::invalid_argument("[architecture::stages_spec] attention is a word of L and S");
    if (o.num_heads[s] <= 0 || o.embed_dims[s] % o.num_heads[s] != 0) {
      throw std::invalid_argument("[architecture::stages_spec] stage " + std::to_string(s) +
                                  ": num_heads does not divide embed_dim");
    }
  }
}

// The window, stripe or reduction of a family's block on a map.
void set_region(BlockSpec& block, const std::string& family, bool linear, int64_t region, int64_t index,
                int64_t map, bool last) {
  if (family == "pvt" || family == "pvt_v2") {
    block.attention = linear ? AttentionKind::kFocusedLinear : AttentionKind::kSoftmax;
    block.sr_ratio = region;
  } else if (family == "cswin") {
    block.attention = linear ? AttentionKind::kCrossFocusedLinear : AttentionKind::kCrossShapedWindow;
    block.window = last || region >= map ? 0 : region;
  } else {
    block.attention = linear ? AttentionKind::kFocusedLinear : AttentionKind::kWindow;
    block.window = std::min(region, map);
    block.shift = index % 2 == 1 && map > region ? region / 2 : 0;
  }
}

}  // namespace

ModelSpec stages_spec(const std::string& family, const StagesOptions& o) {
  check(o);
  ModelSpec spec = begin(family, o, family == "pvt" || family == "pvt_v2" ? 1e-6 : 1e-5);
  spec.final_norm = family != "pvt";
  for (size_t s = 0; s < o.depths.size(); ++s) {
    spec.stages.push_back({o.depths[s], o.embed_dims[s]});
    const bool linear = o.attention[s] == 'L', last = s + 1 == o.depths.size();
    const int64_t map = (o.image_size / spec.patch_size) >> s;
    for (int64_t j = 0; j < o.depths[s]; ++j) {
      BlockSpec block;
      block.embed_dim = o.embed_dims[s];
      block.num_heads = o.num_heads[s];
      block.qk_dim = block.v_dim = block.embed_dim / block.num_heads;
      block.mlp_dim = block.embed_dim * o.mlp_ratios[s];
      set_region(block, family, linear, linear ? o.linear_regions.at(s) : o.regions.at(s), j, map, last);
      spec.blocks.push_back(block);
    }
  }
  validate(spec);
  return spec;
}

namespace {

using List = std::vector<int64_t>;

// FLatten-Transformer's softmax stages have windows of 7 (12 at 384 px), independent of the linear stages'
// window.
void add_swins(std::map<std::string, ModelSpec>& out) {
  struct Size {
    const char* name;
    int64_t dim;
    List depths, heads;
  };
  const std::vector<Size> sizes = {{"tiny", 96, {2, 2, 6, 2}, {3, 6, 12, 24}},
                                   {"small", 96, {2, 2, 18, 2}, {3, 6, 12, 24}},
                                   {"base", 128, {2, 2, 18, 2}, {4, 8, 16, 32}},
                                   {"large", 192, {2, 2, 18, 2}, {6, 12, 24, 48}}};
  for (const Size& size : sizes) {
    for (int64_t image : {224, 384}) {
      StagesOptions o;
      o.image_size = image;
      o.embed_dims = {size.dim, 2 * size.dim, 4 * size.dim, 8 * size.dim};
      o.depths = size.depths;
      o.num_heads = size.heads;
      const int64_t window = image / 32;
      o.regions = List(4, window);
      o.linear_regions = List(4, image / 4);
      const std::string name = size.name;
      const bool big = name == "base" || name == "large";
      if (image == 224 || big)
        out["swin_" + name + "_patch4_window" + std::to_string(window) + "_" + std::to_string(image)] =
            stages_spec("swin", o);
      o.attention = "LLSS";
      if (name != "large" && (image == 224 || big))
        out["flatten_swin_" + name + "_patch4_" + std::to_string(image)] = stages_spec("flatten_swin", o);
    }
  }
}

void add_pvts(std::map<std::string, ModelSpec>& out) {
  StagesOptions o;
  o.num_heads = {1, 2, 5, 8};
  o.regions = {8, 4, 2, 1};
  const auto add = [&](const char* name, const std::string& family, List dims, List depths, List ratios) {
    o.embed_dims = std::move(dims);
    o.depths = std::move(depths);
    o.mlp_ratios = std::move(ratios);
    o.attention = "SSSS";
    out[name] = stages_spec(family, o);
    // FLatten-Transformer's constructors reduce keys and values as PVT does, but its published configurations
    // (PVT_LA_SR_RATIOS 1111) do not reduce them.
    o.attention = "LLLL";
    o.linear_regions = o.regions;
    out["flatten_" + std::string(name)] = stages_spec(family, o);
    o.linear_regions = {1, 1, 1, 1};
    out["flatten_" + std::string(name) + "_sr1111"] = stages_spec(family, o);
  };
  const List wide = {64, 128, 320, 512}, eight = {8, 8, 4, 4};
  add("pvt_tiny", "pvt", wide, {2, 2, 2, 2}, eight);
  add("pvt_small", "pvt", wide, {3, 4, 6, 3}, eight);
  add("pvt_medium", "pvt", wide, {3, 4, 18, 3}, eight);
  add("pvt_large", "pvt", wide, {3, 8, 27, 3}, eight);
  add("pvt_v2_b0", "pvt_v2", {32, 64, 160, 256}, {2, 2, 2, 2}, eight);
  add("pvt_v2_b1", "pvt_v2", wide, {2, 2, 2, 2}, eight);
  add("pvt_v2_b2", "pvt_v2", wide, {3, 4, 6, 3}, eight);
  add("pvt_v2_b3", "pvt_v2", wide, {3, 4, 18, 3}, eight);
  add("pvt_v2_b4", "pvt_v2", wide, {3, 8, 27, 3}, eight);
  add("pvt_v2_b5", "pvt_v2", wide, {3, 6, 40, 3}, {4, 4, 4, 4});
}

void add_cswins(std::map<std::string, ModelSpec>& out) {
  const auto add = [&](const std::string& name, int64_t dim, int64_t heads, List depths, int64_t image) {
    StagesOptions o;
    o.image_size = image;
    o.embed_dims = {dim, 2 * dim, 4 * dim, 8 * dim};
    o.depths = std::move(depths);
    o.num_heads = {heads, 2 * heads, 4 * heads, 8 * heads};
    o.regions = {1, 2, image / 32, image / 32};
    o.linear_regions = {image / 4, image / 8, image / 16, image / 32};
    for (const bool flatten : {false, true}) {
      o.attention = flatten ? "LLSS" : "SSSS";
      out[(flatten ? "flatten_cswin_" : "cswin_") + name] = stages_spec("cswin", o);
    }
  };
  add("tiny", 64, 2, {2, 4, 18, 1}, 224);
  add("small", 64, 2, {2, 4, 32, 2}, 224);
  add("base", 96, 4, {3, 6, 29, 2}, 224);
  add("base_384", 96, 4, {3, 6, 29, 2}, 384);
}

}  // namespace

void add_known_stages(std::map<std::string, ModelSpec>& out) {
  add_swins(out);
  add_pvts(out);
  add_cswins(out);
}

}  // namespace vitrim::architecture
