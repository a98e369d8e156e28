// Every token sees every token (ViT), or a smaller map of keys and values (PVT's spatial reduction).

#include <ATen/ATen.h>

#include "model/layout.h"
#include "model/projections.h"

namespace vitrim::model {

namespace {

class Softmax : public Attention {
 public:
  void add_parameters(const AttentionSite& site, std::vector<ParameterInfo>& out) const override {
    add_projection_parameters(site, out);
    if (!site.spec.qk_norm) return;
    add_norm(out, site.names + "q_norm", site.block.qk_dim);
    add_norm(out, site.names + "k_norm", site.block.qk_dim);
  }

  at::Tensor mix(const Model& model, const AttentionSite& site, const at::Tensor& x, const at::Tensor& tokens, const at::Tensor& qk_gate) const override {
    Projected p = project(model, site, x, tokens);
    if (qk_gate.defined()) p.q = p.q * flat_gate(qk_gate, p.q);
    const int64_t heads = site.block.num_heads;
    at::Tensor q = split_heads(p.q, heads), k = split_heads(p.k, heads);
    if (site.spec.qk_norm) {
      q = model.layer_norm(q, site.names + "q_norm");
      k = model.layer_norm(k, site.names + "k_norm");
    }
    return join_heads(softmax_mix(q, k, split_heads(p.v, heads), {}));
  }

  int64_t macs(const AttentionSite& site) const override {
    const int64_t keys = site.prefix + key_grid(site).size();
    return projection_macs(site) + site.tokens() * keys * (site.qk_width() + site.v_width());
  }

  void add_channels(const AttentionSite& site, std::vector<ChannelSlice>& out) const override { add_projection_channels(site, out); }
  QkFold qk_fold(const AttentionSite&) const override { return QkFold::kQueryRows; }
};

}  // namespace

const Attention& softmax_attention() {
  static const Softmax kind;
  return kind;
}

}  // namespace vitrim::model
