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
    return join_heads(softmax_mix(heads_of(model, site, p.q, "q_norm"), heads_of(model, site, p.k, "k_norm"), split_heads(p.v, site.block.num_heads), {}));
  }

  std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site, const at::Tensor& x) const override {
    const Projected p = project(model, site, x, {});
    return {{heads_of(model, site, p.q, "q_norm"), heads_of(model, site, p.k, "k_norm"), 0}};
  }

  int64_t macs(const AttentionSite& site) const override {
    const int64_t keys = site.prefix + key_grid(site).size();
    return projection_macs(site) + site.tokens() * keys * (site.qk_width() + site.v_width());
  }

  void add_channels(const AttentionSite& site, std::vector<ChannelSlice>& out) const override { add_projection_channels(site, out); }
  QkFold qk_fold(const AttentionSite&) const override { return QkFold::kQueryRows; }

 private:
  static at::Tensor heads_of(const Model& model, const AttentionSite& site, const at::Tensor& t, const char* norm) {
    const at::Tensor split = split_heads(t, site.block.num_heads);
    return site.spec.qk_norm ? model.layer_norm(split, site.names + norm) : split;
  }
};

}  // namespace

const Attention& softmax_attention() {
  static const Softmax kind;
  return kind;
}

}  // namespace vitrim::model
