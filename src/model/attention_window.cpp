// Swin: softmax within windows, which every second block shifts by half a window, with a learned bias for
// every relative position and head.

#include <ATen/ATen.h>

#include "model/projections.h"

namespace vitrim::model {

namespace {

// The row of the bias table for each pair of positions in a window, int64 [side^4].
at::Tensor relative_positions(int64_t side) {
  const at::Tensor range = at::arange(side, at::kLong);
  const at::Tensor y = range.repeat_interleave(side), x = range.repeat({side});
  const at::Tensor dy = y.unsqueeze(1) - y + (side - 1), dx = x.unsqueeze(1) - x + (side - 1);
  return (dy * (2 * side - 1) + dx).flatten();
}

// In a shifted map, the last windows contain tokens from opposite edges, which must not attend to each other:
// 0 or -100, [windows, 1, n, n].
at::Tensor edge_mask(Grid map, int64_t side, int64_t shift) {
  auto bands = [&](int64_t length) {
    const at::Tensor at_position = at::arange(length, at::kLong);
    return (at_position >= length - side).to(at::kLong) + (at_position >= length - shift).to(at::kLong);
  };
  const at::Tensor region =
      (bands(map.height).unsqueeze(1) * 3 + bands(map.width)).reshape({1, map.size(), 1});
  const at::Tensor windows = to_windows(region, map, {side, side}).squeeze(2);
  return (windows.unsqueeze(1) != windows.unsqueeze(2)).to(at::kFloat).mul(-100).unsqueeze(1);
}

class Window : public Attention {
 public:
  at::Tensor attend(const Model& model, const AttentionSite& site, const at::Tensor& x,
                    const AttendRequest& request) const override {
    const int64_t heads = site.block.num_heads, side = site.block.window, shift = site.block.shift;
    Projected p = project(model, site, x, {});
    if (request.qk_gate.defined()) p.q = p.q * flat_gate(request.qk_gate, p.q);
    const int64_t n = side * side, count = site.grid.size() / n;
    auto by_image = [&](const at::Tensor& t) {
      return windows(site, t).unflatten(0, {-1, count});
    };  // [B, windows, heads, n, width]
    const at::Tensor q = by_image(p.q), k = by_image(p.k), v = by_image(p.v);
    at::Tensor bias = model.parameter(site.names + "relative_position_bias_table")
                          .index_select(0, relative_positions(side).to(x.device()))
                          .reshape({n, n, heads})
                          .permute({2, 0, 1})
                          .unsqueeze(0);
    if (shift > 0) bias = bias + edge_mask(site.grid, side, shift).to(x.device());
    const at::Tensor mixed = join_heads(softmax_attend(q, k, v, bias.to(q.scalar_type()))).flatten(0, 1);
    const at::Tensor map = roll_map(from_windows(mixed, site.grid, {side, side}), site.grid, shift);
    return request.tokens.defined() ? map.index_select(1, request.tokens) : map;
  }

  std::vector<QueryKeys> query_keys(const Model& model, const AttentionSite& site,
                                    const at::Tensor& x) const override {
    const Projected p = project(model, site, x, {});
    return {{windows(site, p.q), windows(site, p.k), 0}};
  }

 private:
  // [B, N, heads * width] -> [B * windows, heads, n, width]
  static at::Tensor windows(const AttentionSite& site, const at::Tensor& t) {
    const int64_t side = site.block.window;
    return split_heads(to_windows(roll_map(t, site.grid, -site.block.shift), site.grid, {side, side}),
                       site.block.num_heads);
  }
};

}  // namespace

const Attention& window_attention() {
  static const Window kind;
  return kind;
}

}  // namespace vitrim::model
