// CSwin.

#include "exporter/family.h"

namespace vitrim::exporter {

namespace {

class Cswin : public FamilyGraph {
 public:
  Value embed(LayerBuilder& layers, const Value& pixels) const override {
    const Graph::Scope scope(layers.graph(), "stage1_conv_embed");
    return tokens(layers, 0,
                  layers.convolution(pixels, "stage1_conv_embed.0", {layers.spec().patch_size, 2, 1}),
                  "stage1_conv_embed.2");
  }

  Value transition(LayerBuilder& layers, int stage, const Value& x) const override {
    const ModelSpec& spec = layers.spec();
    const std::string name = "merge" + std::to_string(stage);
    const Graph::Scope scope(layers.graph(), name);
    const Value planes = layers.to_planes(x, spec.stage_grid(stage - 1), spec.stage_dim(stage - 1));
    return tokens(layers, stage, layers.convolution(planes, name + ".conv", {2, 1, 1}), name + ".norm");
  }

  Value finish(LayerBuilder& layers, const Value& x, const MergedStream&) const override {
    return classify_average(layers, layers.layer_norm(x, "norm"), "head");
  }

 private:
  static Value tokens(LayerBuilder& layers, int stage, const Value& planes, const std::string& norm) {
    return layers.layer_norm(
        layers.from_planes(planes, layers.spec().stage_grid(stage), layers.spec().stage_dim(stage)), norm);
  }
};

}  // namespace

const FamilyGraph& cswin_family() {
  static const Cswin family;
  return family;
}

}  // namespace vitrim::exporter
