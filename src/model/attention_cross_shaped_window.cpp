// CSwin: attention within stripes. Half of the heads work in stripes that go down the map, half in stripes
// across; without stripes (window 0) all heads attend over the whole map. Within a stripe attention is
// softmax or focused linear attention (FLatten-CSwin). A depthwise filter of v adds positions ("LePE").

#include <ATen/ATen.h>

#include "model/focused.h"
#include "model/projections.h"

namespace vitrim::model {

namespace {

class CrossShapedWindow : public Attention {
 public:
  explicit CrossShapedWindow(bool linear) : linear_(linear) {}

  at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                    const AttendRequest& request) const override {
    const Projected p = project(model, site, x, {});
    std::vector<at::Tensor> parts;
    for (const AttentionBranch& branch : attention_branches(site)) {
      at::Tensor q = stripes(site, branch, p.q, site.block.qk_dim);
      const at::Tensor k = stripes(site, branch, p.k, site.block.qk_dim),
                       v = stripes(site, branch, p.v, site.block.v_dim);
      const at::Tensor gate = request.qk_gate.defined()
                                  ? request.qk_gate.narrow(0, branch.head_begin, branch.heads)
                                  : request.qk_gate;
      at::Tensor mixed;
      if (linear_) {
        mixed = focused_attend(model, site, branch.names, q, k, v, branch.heads, branch.region, gate);
      } else {
        if (gate.defined()) q = q * flat_gate(gate, q);
        mixed = join_heads(softmax_attend(split_heads(q, branch.heads), split_heads(k, branch.heads),
                                          split_heads(v, branch.heads), {}));
      }
      const at::Tensor planes =
          v.transpose(1, 2).reshape({v.size(0), v.size(2), branch.region.height, branch.region.width});
      const at::Tensor positions =
          model.convolution(planes, branch.names + "get_v", 1, architecture::kPositionFilter / 2, v.size(2))
              .flatten(2)
              .transpose(1, 2);
      parts.push_back(from_windows(mixed + positions, site.grid, branch.region));
    }
    const at::Tensor map = parts.size() > 1 ? at::cat(parts, 2) : parts[0];
    return request.tokens.defined() ? map.index_select(1, request.tokens) : map;
  }

  std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                    const at::Tensor& x) const override {
    const Projected p = project(model, site, x, {});
    std::vector<QueryKeys> out;
    for (const AttentionBranch& branch : attention_branches(site)) {
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

 private:
  static at::Tensor stripes(const AttentionSite& site, const AttentionBranch& branch, const at::Tensor& t,
                            int64_t width) {
    return to_windows(t.narrow(2, branch.head_begin * width, branch.heads * width), site.grid, branch.region);
  }
  bool linear_;
};

}  // namespace

const Attention& cross_shaped_window_attention() {
  static const CrossShapedWindow kind(false);
  return kind;
}

const Attention& cross_focused_linear_attention() {
  static const CrossShapedWindow kind(true);
  return kind;
}

}  // namespace vitrim::model
