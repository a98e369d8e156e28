#include "exporter/family.h"

#include <stdexcept>
#include <utility>

namespace vitrim::exporter {

const FamilyGraph& family_of(const ModelSpec& spec) {
  const std::vector<std::pair<std::string, const FamilyGraph*>> known = {
      {"vit", &vit_family()}, {"swin", &swin_family()},     {"flatten_swin", &flatten_swin_family()},
      {"pvt", &pvt_family()}, {"pvt_v2", &pvt_v2_family()}, {"cswin", &cswin_family()}};
  for (const auto& [name, family] : known) {
    if (name == spec.family) return *family;
  }
  throw std::invalid_argument("[exporter::write_onnx] the ONNX writer does not support models of family '" +
                              spec.family + "'");
}

Value classify(LayerBuilder& layers, const Value& features, const std::string& head) {
  const ModelSpec& spec = layers.spec();
  if (spec.num_classes > 0) return layers.to_float(layers.linear(features, head));
  return spec.final_norm || spec.fc_norm ? features
                                         : layers.plain_norm("features_norm", features, spec.feature_dim());
}

Value classify_average(LayerBuilder& layers, const Value& x, const std::string& head) {
  return classify(layers, layers.reduce("ReduceMean", "pooled", x, 1, false), head);
}

}  // namespace vitrim::exporter
