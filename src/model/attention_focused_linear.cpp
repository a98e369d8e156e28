// FLatten: focused linear attention over the whole map (PVT: with a smaller map of keys and values) or within
// windows (Swin). Shifted windows are not masked at the edges, as in the reference.

#include <ATen/ATen.h>

#include "model/focused.h"
#include "model/projections.h"

namespace vitrim::model {

namespace {

class FocusedLinear : public Attention {
 public:
  at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                    const AttendRequest& request) const override {
    const Projected p = project(model, site, x, {});
    const Grid window = region(site);
    const at::Tensor mixed =
        focused_attend(model, site, site.names, windows(site, p.q), windows(site, p.k), windows(site, p.v),
                       site.block.num_heads, window, request.qk_gate);
    const at::Tensor map = roll_map(from_windows(mixed, site.grid, window), site.grid, site.block.shift);
    return request.tokens.defined() ? map.index_select(1, request.tokens) : map;
  }

  std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                    const at::Tensor& x) const override {
    const Projected p = project(model, site, x, {});
    const Focused focused =
        focus(model, site, site.names, windows(site, p.q), windows(site, p.k), site.block.num_heads, {});
    return {{focused.q, focused.k, 0}};
  }

 private:
  static at::Tensor windows(const AttentionSite& site, const at::Tensor& t) {
    return site.block.window > 0
               ? to_windows(roll_map(t, site.grid, -site.block.shift), site.grid, region(site))
               : t;
  }
  static Grid region(const AttentionSite& site) { return attention_branches(site).front().region; }
};

}  // namespace

const Attention& focused_linear_attention() {
  static const FocusedLinear kind;
  return kind;
}

}  // namespace vitrim::model
