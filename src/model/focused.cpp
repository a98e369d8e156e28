#include "model/focused.h"

#include <ATen/ATen.h>

#include <cmath>

#include "model/projections.h"

namespace vitrim::model {

namespace {

// Applies the depthwise filters to v as a map: [R, m, heads * width] -> [R, n, heads * width].
at::Tensor filtered(const Model& model, const AttentionSite& site, const std::string& names,
                    const at::Tensor& v, int64_t heads, Grid map) {
  const int64_t regions = v.size(0), channels = v.size(2), width = channels / heads;
  at::Tensor planes = v.transpose(1, 2);  // [R, heads * width, m]
  if (v.size(1) != map.size()) planes = at::upsample_linear1d(planes, {map.size()}, /*align_corners=*/false);
  planes = site.block.per_head_filters ? planes.reshape({regions, channels, map.height, map.width})
                                       : planes.reshape({regions * heads, width, map.height, map.width});
  const at::Tensor out =
      model.convolution(planes, names + "dwc", 1, site.spec.filter_size / 2, planes.size(1));
  return out.reshape({regions, channels, map.size()}).transpose(1, 2);
}

}  // namespace

Focused focus(const Model& model, const AttentionSite& site, const std::string& names, const at::Tensor& q,
              const at::Tensor& k, int64_t heads, const at::Tensor& gate) {
  // Norms and powers in float32: third powers exceed bfloat16's precision.
  const at::Tensor scale = at::softplus(model.parameter(names + "scale"));
  auto phi = [&](const at::Tensor& t) {
    at::Tensor f = (at::relu(t.to(at::kFloat)) + 1e-6) / scale;
    if (gate.defined())
      f = f * gate.flatten();  // before the norms, which run over all heads, so that they equal the norms of
                               // the cut model
    // Only the direction of the powers matters, so f is divided by its largest entry first; powers of f
    // itself would underflow in float32.
    const at::Tensor power =
        (f / f.detach().amax({-1}, true)).pow(static_cast<double>(site.spec.focusing_factor));
    return split_heads(power / power.norm(2, {-1}, true) * f.norm(2, {-1}, true), heads);
  };
  return {phi(q), phi(k + model.compute_weight(names + "positional_encoding"))};
}

at::Tensor focused_attend(const Model& model, const AttentionSite& site, const std::string& names,
                          const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                          Grid map, const at::Tensor& gate) {
  const Focused focused = focus(model, site, names, q, k, heads, gate);
  const at::Tensor query = focused.q.to(v.scalar_type()), key = focused.k.to(v.scalar_type()),
                   value = split_heads(v, heads);
  const double root = 1 / std::sqrt(static_cast<double>(k.size(1)));
  const at::Tensor total = at::matmul(query, key.mean(-2, true).transpose(-2, -1)) + 1e-6;
  const at::Tensor summary = at::matmul(key.transpose(-2, -1) * root, value * root);
  return join_heads(at::matmul(query, summary) / total) + filtered(model, site, names, v, heads, map);
}

}  // namespace vitrim::model
