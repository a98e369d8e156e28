// Every token attends to all tokens (ViT), or to a smaller map of keys and values (PVT's spatial reduction).

#include <ATen/ATen.h>

#include "model/projections.h"

namespace vitrim::model {

namespace {

class Softmax : public Attention {
 public:
  at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                    const AttendRequest& request) const override {
    Projected p = project(model, site, x, request.tokens);
    if (request.qk_gate.defined()) p.q = p.q * flat_gate(request.qk_gate, p.q);
    const at::Tensor keys = heads_of(model, site, p.k, "k_norm");
    if (request.mean_keys) *request.mean_keys = keys.to(at::kFloat).mean(1);
    at::Tensor bias;
    if (request.log_sizes.defined())
      bias = request.log_sizes.to(keys.scalar_type()).unsqueeze(1).unsqueeze(1);
    return join_heads(softmax_attend(heads_of(model, site, p.q, "q_norm"), keys,
                                     split_heads(p.v, site.block.num_heads), bias));
  }

  std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                    const at::Tensor& x) const override {
    const Projected p = project(model, site, x, {});
    return {{heads_of(model, site, p.q, "q_norm"), heads_of(model, site, p.k, "k_norm"), 0}};
  }

 private:
  static at::Tensor heads_of(const Model& model, const AttentionSite& site, const at::Tensor& t,
                             const char* norm) {
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
