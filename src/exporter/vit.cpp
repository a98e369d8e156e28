// ViT and DeiT.

#include <ATen/ATen.h>

#include "exporter/family.h"

namespace vitrim::exporter {

namespace {

class Vit : public FamilyGraph {
 public:
  Value embed(LayerBuilder& layers, const Value& pixels) const override {
    const ModelSpec& spec = layers.spec();
    Graph& graph = layers.graph();
    Value patches;
    {
      const Graph::Scope scope(graph, "patch_embed");
      patches = layers.convolution(pixels, "patch_embed.proj", {spec.patch_size, 0, 1});
      patches = layers.to_float(layers.from_planes(patches, spec.stage_grid(0), spec.embed_dim));
    }
    const Graph::Scope scope(graph, "embed");
    const Value positions = layers.stored("pos_embed");
    if (!spec.embed_prefix_tokens) patches = layers.binary("Add", "positions", patches, positions);
    std::vector<Value> parts;
    if (spec.prefix_tokens() > 0) {
      const Value shape = batch_shape(layers, pixels);
      for (const char* token : {"cls_token", "dist_token", "reg_token"}) {
        if (layers.has(token))
          parts.push_back(graph.node("Expand", token, {layers.stored(token), shape}, Type::kFloat));
      }
    }
    parts.push_back(patches);
    Value x = layers.concat("tokens", parts, 1);
    if (spec.embed_prefix_tokens) x = layers.binary("Add", "positions", x, positions);
    return spec.pre_norm ? layers.layer_norm(x, "norm_pre") : x;
  }

  Value transition(LayerBuilder&, int, const Value& x) const override { return x; }

  Value finish(LayerBuilder& layers, const Value& x, const MergedStream& merged) const override {
    const ModelSpec& spec = layers.spec();
    const Value normed = spec.final_norm ? layers.layer_norm(x, "norm") : x;
    Value features = spec.pooling == Pooling::kAverage ? mean_of_tokens(layers, normed, merged)
                                                       : token(layers, "class_token", normed, 0);
    if (spec.pooling == Pooling::kTokenAndAverage)
      features = layers.concat("token_and_average", {features, mean_of_tokens(layers, normed, merged)}, -1);
    if (spec.fc_norm) features = layers.layer_norm(features, "fc_norm");
    Value logits = classify(layers, features, "head");
    if (spec.num_classes == 0 || !spec.distillation_token) return logits;
    const Value second =
        layers.to_float(layers.linear(token(layers, "distillation_token", normed, 1), "head_dist"));
    return layers.scaled("mean_of_heads", layers.binary("Add", "both_heads", logits, second), 0.5);
  }

 private:
  // [B, 1, 1], to which token tables are expanded.
  static Value batch_shape(LayerBuilder& layers, const Value& pixels) {
    Graph& graph = layers.graph();
    if (layers.batch() >= 0) return graph.integers({layers.batch(), 1, 1});
    const Value size =
        graph.node("Shape", "batch", {pixels}, Type::kInt64, {{"start", int64_t{0}}, {"end", int64_t{1}}});
    return graph.node("Concat", "batch_shape", {size, graph.integers({1, 1})}, Type::kInt64,
                      {{"axis", int64_t{0}}});
  }
  static Value token(LayerBuilder& layers, const std::string& label, const Value& x, int64_t index) {
    const Value place = layers.graph().shared_tensor("place:" + std::to_string(index),
                                                     at::scalar_tensor(index, at::kLong), Type::kInt64);
    return layers.graph().node("Gather", label, {x, place}, x.type, {{"axis", int64_t{1}}});
  }
};

}  // namespace

const FamilyGraph& vit_family() {
  static const Vit family;
  return family;
}

}  // namespace vitrim::exporter
