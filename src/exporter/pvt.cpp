// PVT and PVTv2.

#include "exporter/family.h"

namespace vitrim::exporter {

namespace {

class Pvt : public FamilyGraph {
 public:
  explicit Pvt(bool second) : second_(second) {}

  Value embed(LayerBuilder& layers, const Value& pixels) const override {
    return begin_stage(layers, 0, pixels);
  }

  Value transition(LayerBuilder& layers, int stage, const Value& x) const override {
    const ModelSpec& spec = layers.spec();
    const Value end = second_ ? layers.layer_norm(x, numbered("norm", stage - 1)) : x;
    return begin_stage(layers, stage,
                       layers.to_planes(end, spec.stage_grid(stage - 1), spec.stage_dim(stage - 1)));
  }

  Value finish(LayerBuilder& layers, const Value& x, const MergedStream&) const override {
    return classify_average(
        layers, second_ ? layers.layer_norm(x, numbered("norm", layers.spec().num_stages() - 1)) : x, "head");
  }

 private:
  static std::string numbered(const char* name, int stage) { return name + std::to_string(stage + 1); }

  Value begin_stage(LayerBuilder& layers, int stage, const Value& planes) const {
    const ModelSpec& spec = layers.spec();
    const std::string name = numbered("patch_embed", stage);
    const Graph::Scope scope(layers.graph(), name);
    const int64_t stride = stage == 0 ? spec.patch_size : 2;
    const int64_t padding = !second_ ? 0 : stage == 0 ? 3 : 1;  // for overlapping kernels of 7 and 3
    const Value patches = layers.convolution(planes, name + ".proj", {stride, padding, 1});
    const Value normed = layers.layer_norm(
        layers.from_planes(patches, spec.stage_grid(stage), spec.stage_dim(stage)), name + ".norm");
    return second_ ? normed
                   : layers.binary("Add", "positions", normed, layers.stored(numbered("pos_embed", stage)));
  }

  bool second_;
};

}  // namespace

const FamilyGraph& pvt_family() {
  static const Pvt family(false);
  return family;
}

const FamilyGraph& pvt_v2_family() {
  static const Pvt family(true);
  return family;
}

}  // namespace vitrim::exporter
