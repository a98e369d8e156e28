// Swin, under timm's names and under FLatten-Transformer's.

#include "exporter/family.h"

namespace vitrim::exporter {

namespace {

class Swin : public FamilyGraph {
 public:
  explicit Swin(bool flatten) : flatten_(flatten) {}

  Value embed(LayerBuilder& layers, const Value& pixels) const override {
    const ModelSpec& spec = layers.spec();
    const Graph::Scope scope(layers.graph(), "patch_embed");
    const Value planes = layers.convolution(pixels, "patch_embed.proj", {spec.patch_size, 0, 1});
    return layers.layer_norm(layers.from_planes(planes, spec.stage_grid(0), spec.embed_dim),
                             "patch_embed.norm");
  }

  Value transition(LayerBuilder& layers, int stage, const Value& x) const override {
    const ModelSpec& spec = layers.spec();
    const Grid grid = spec.stage_grid(stage);
    const int64_t channels = spec.stage_dim(stage - 1);
    const std::string name = "layers." + std::to_string(flatten_ ? stage - 1 : stage) + ".downsample";
    const Graph::Scope scope(layers.graph(), name);
    // Four neighbours become one token; the lower one comes before the right one.
    const Value cut = layers.reshape("cut", x, {0, grid.height, 2, grid.width, 2, channels});
    const Value merged = layers.reshape("merged", layers.transpose("neighbours", cut, {0, 1, 3, 4, 2, 5}),
                                        {0, grid.size(), 4 * channels});
    return layers.to_float(layers.linear(layers.layer_norm(merged, name + ".norm"), name + ".reduction"));
  }

  Value finish(LayerBuilder& layers, const Value& x, const MergedStream&) const override {
    return classify_average(layers, layers.layer_norm(x, "norm"), flatten_ ? "head" : "head.fc");
  }

 private:
  bool flatten_;
};

}  // namespace

const FamilyGraph& swin_family() {
  static const Swin family(false);
  return family;
}

const FamilyGraph& flatten_swin_family() {
  static const Swin family(true);
  return family;
}

}  // namespace vitrim::exporter
