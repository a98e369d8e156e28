// CSwin: attention inside stripes. Half of the heads work in stripes that go down the map, half in stripes
// across; without stripes (window 0) all heads see the whole map. What mixes inside a stripe is softmax, or
// focused linear attention (FLatten-CSwin). A depthwise filter of v tells positions ("LePE").

#include <ATen/ATen.h>

#include "model/focused.h"
#include "model/layout.h"
#include "model/projections.h"

namespace vitrim::model {

namespace {

// One bundle of stripes: `attns.0.` and, where there are stripes, `attns.1.`.
struct Branch {
  std::string names;
  int64_t head_begin, heads;
  Grid stripe;
};

std::vector<Branch> branches(const AttentionSite& site) {
  const int64_t heads = site.block.num_heads, width = site.block.window;
  if (width == 0) return {{site.names + "attns.0.", 0, heads, site.grid}};
  return {{site.names + "attns.0.", 0, heads / 2, {site.grid.height, width}},
          {site.names + "attns.1.", heads / 2, heads / 2, {width, site.grid.width}}};
}

constexpr int64_t kPositionFilter = 3;

class CrossWindow : public Attention {
 public:
  explicit CrossWindow(bool linear) : linear_(linear) {}

  void add_parameters(const AttentionSite& site, std::vector<ParameterInfo>& out) const override {
    add_projection_parameters(site, out);
    for (const Branch& branch : branches(site)) {
      if (linear_) add_focused_parameters(site, branch.names, branch.stripe.size(), branch.heads, out);
      add_convolution(out, branch.names + "get_v", branch.heads * site.block.v_dim, 1, kPositionFilter);
    }
  }

  at::Tensor mix(const Model& model, const AttentionSite& site, const at::Tensor& x,
                 const MixRequest& request) const override {
    const Projected p = project(model, site, x, {});
    std::vector<at::Tensor> parts;
    for (const Branch& branch : branches(site)) {
      at::Tensor q = stripes(site, branch, p.q, site.block.qk_dim);
      const at::Tensor k = stripes(site, branch, p.k, site.block.qk_dim),
                       v = stripes(site, branch, p.v, site.block.v_dim);
      const at::Tensor gate = request.qk_gate.defined()
                                  ? request.qk_gate.narrow(0, branch.head_begin, branch.heads)
                                  : request.qk_gate;
      at::Tensor mixed;
      if (linear_) {
        mixed = focused_mix(model, site, branch.names, q, k, v, branch.heads, branch.stripe, gate);
      } else {
        if (gate.defined()) q = q * flat_gate(gate, q);
        mixed = join_heads(softmax_mix(split_heads(q, branch.heads), split_heads(k, branch.heads),
                                       split_heads(v, branch.heads), {}));
      }
      const at::Tensor planes =
          v.transpose(1, 2).reshape({v.size(0), v.size(2), branch.stripe.height, branch.stripe.width});
      const at::Tensor positions =
          model.convolution(planes, branch.names + "get_v", 1, kPositionFilter / 2, v.size(2))
              .flatten(2)
              .transpose(1, 2);
      parts.push_back(from_windows(mixed + positions, site.grid, branch.stripe));
    }
    const at::Tensor map = parts.size() > 1 ? at::cat(parts, 2) : parts[0];
    return request.tokens.defined() ? map.index_select(1, request.tokens) : map;
  }

  std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                    const at::Tensor& x) const override {
    const Projected p = project(model, site, x, {});
    std::vector<QueryKeys> out;
    for (const Branch& branch : branches(site)) {
      const at::Tensor q = stripes(site, branch, p.q, site.block.qk_dim),
                       k = stripes(site, branch, p.k, site.block.qk_dim);
      if (linear_) {
        const Focused focused = focus(model, site, branch.names, q, k, branch.heads, {});
        out.push_back({focused.q, focused.k, branch.head_begin});
      } else {
        out.push_back({split_heads(q, branch.heads), split_heads(k, branch.heads), branch.head_begin});
      }
    }
    return out;
  }

  int64_t macs(const AttentionSite& site) const override {
    int64_t total = projection_macs(site);
    const int64_t n = site.grid.size();
    for (const Branch& branch : branches(site)) {
      total += n * branch.heads * site.block.v_dim * kPositionFilter * kPositionFilter;
      total += linear_ ? focused_macs(site, n, n, branch.heads)
                       : n * branch.stripe.size() * branch.heads * (site.block.qk_dim + site.block.v_dim);
    }
    return total;
  }

  void add_channels(const AttentionSite& site, std::vector<ChannelSlice>& out) const override {
    add_projection_channels(site, out);
    for (const Branch& branch : branches(site)) {
      if (linear_) add_focused_channels(site, branch.names, branch.head_begin, branch.heads, out);
      for (const char* kind : {"get_v.weight", "get_v.bias"}) {
        out.push_back({branch.names + kind, 0, 0, ChannelGroup::kV, branch.head_begin, branch.heads});
      }
    }
  }
  QkFold qk_fold(const AttentionSite&) const override {
    return linear_ ? QkFold::kScale : QkFold::kQueryRows;
  }

 private:
  static at::Tensor stripes(const AttentionSite& site, const Branch& branch, const at::Tensor& t,
                            int64_t width) {
    return to_windows(t.narrow(2, branch.head_begin * width, branch.heads * width), site.grid, branch.stripe);
  }
  bool linear_;
};

}  // namespace

const Attention& cross_window_attention() {
  static const CrossWindow kind(false);
  return kind;
}

const Attention& cross_focused_linear_attention() {
  static const CrossWindow kind(true);
  return kind;
}

}  // namespace vitrim::model
