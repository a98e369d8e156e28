// FLatten: focused linear attention over the whole map (PVT: with a smaller map of keys and values) or inside
// windows (Swin). Shifted windows are not masked at the edges, as in the reference.

#include <ATen/ATen.h>

#include "model/focused.h"
#include "model/projections.h"

namespace vitrim::model {

namespace {

class FocusedLinear : public Attention {
 public:
  void add_parameters(const AttentionSite& site, std::vector<ParameterInfo>& out) const override {
    add_focused_parameters(site, site.names, keys(site), site.block.num_heads, out);
    add_projection_parameters(site, out);
  }

  at::Tensor mix(const Model& model, const AttentionSite& site, const at::Tensor& x,
                 const MixRequest& request) const override {
    const Projected p = project(model, site, x, {});
    const Grid window = region(site);
    const at::Tensor mixed = focused_mix(model, site, site.names, windows(site, p.q), windows(site, p.k),
                                         windows(site, p.v), site.block.num_heads, window, request.qk_gate);
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

  int64_t macs(const AttentionSite& site) const override {
    return projection_macs(site) +
           focused_macs(site, site.grid.size(), key_grid(site).size(), site.block.num_heads);
  }

  void add_channels(const AttentionSite& site, std::vector<ChannelSlice>& out) const override {
    add_projection_channels(site, out);
    add_focused_channels(site, site.names, 0, site.block.num_heads, out);
  }
  QkFold qk_fold(const AttentionSite&) const override { return QkFold::kScale; }

 private:
  static at::Tensor windows(const AttentionSite& site, const at::Tensor& t) {
    return site.block.window > 0
               ? to_windows(roll_map(t, site.grid, -site.block.shift), site.grid, region(site))
               : t;
  }
  static Grid region(const AttentionSite& site) {
    return site.block.window > 0 ? Grid{site.block.window, site.block.window} : site.grid;
  }
  static int64_t keys(const AttentionSite& site) {
    return site.block.window > 0 ? region(site).size() : key_grid(site).size();
  }
};

}  // namespace

const Attention& focused_linear_attention() {
  static const FocusedLinear kind;
  return kind;
}

}  // namespace vitrim::model
