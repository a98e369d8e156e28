// Static attention: weights that are the same for every image. The values v are those of softmax attention;
// then follow a depthwise filter per channel over the map, and shares of the map's mean and of the prefix
// tokens.

#include <ATen/ATen.h>

#include <stdexcept>

#include "model/family.h"
#include "model/projections.h"
#include "vitrim/architecture/stages.h"
#include "vitrim/model/static_attention.h"

namespace vitrim::model {

namespace {

class Static : public Attention {
 public:
  at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                    const AttendRequest& request) const override {
    const at::Tensor v = model.linear(x, site.names + "v");  // [B, N, W]
    const at::Tensor map = to_planes(v.slice(1, site.prefix), site.grid);
    const at::Tensor filtered =
        model.convolution(map, site.names + "filter", 1, site.block.filter / 2, site.v_width())
            .flatten(2)
            .transpose(1, 2);
    // The sources [B, 1 + P, W] are the mean of the map and the prefix tokens; each kind of token takes its
    // shares of them.
    const at::Tensor sources =
        at::cat({v.slice(1, site.prefix).mean(1, /*keepdim=*/true), v.slice(1, 0, site.prefix)}, 1);
    const at::Tensor shares = model.compute_weight(site.names + "shares");  // [W, to, from]
    const at::Tensor taken = at::einsum("bfw,wtf->btw", {sources, shares});
    const at::Tensor patches = filtered + taken.slice(1, 0, 1);
    const at::Tensor all = at::cat({taken.slice(1, 1), patches}, 1);
    return request.tokens.defined() ? all.index_select(1, request.tokens) : all;
  }

  std::vector<QueryKeys> query_keys(const Model&, const AttentionSite&, const at::Tensor&) const override {
    return {};
  }
};

}  // namespace

const Attention& static_attention() {
  static const Static kind;
  return kind;
}

namespace {

AttentionSite static_site(const Model& model, int block) {
  AttentionSite site = attention_site(model.spec(), block);
  if (site.block.attention != AttentionKind::kStatic)
    throw std::invalid_argument("[model::static_attention] block " + std::to_string(block) +
                                " has no static attention");
  return site;
}

}  // namespace

void set_static_weights(Model& model, int block, const at::Tensor& filter, const at::Tensor& shares) {
  const AttentionSite site = static_site(model, block);
  model.set_parameter(site.names + "filter.weight", filter.unsqueeze(1));
  model.set_parameter(site.names + "shares", shares);
}

at::Tensor static_values(const Model& model, int block, const at::Tensor& x) {
  const AttentionSite site = static_site(model, block);
  const at::Tensor normed = model.layer_norm(x, architecture::block_prefix(model.spec(), block) + "norm1");
  return model.linear(normed, site.names + "v").to(at::kFloat);
}

}  // namespace vitrim::model
