#include "vitrim/model/merged_tokens.h"

#include <ATen/ATen.h>

#include <limits>
#include <stdexcept>

#include "vitrim/core/merging.h"

namespace vitrim::model {

namespace {

// The rows [B, k] of t [B, N, C].
at::Tensor rows_of(const at::Tensor& t, const at::Tensor& rows) {
  return t.gather(1, rows.unsqueeze(-1).expand({-1, -1, t.size(2)}));
}

struct Matching {
  at::Tensor kept;    // [B, first half - count]: remaining tokens of the first half, ascending
  at::Tensor gone;    // [B, count]: tokens of the first half that are merged
  at::Tensor target;  // [B, count]: the tokens of the second half that they are merged into
};

Matching match(const at::Tensor& metric, int64_t prefix, int64_t count) {
  const at::Tensor unit = metric.detach().to(at::kFloat);
  const at::Tensor direction = unit / unit.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12);
  const at::Tensor cosines = at::matmul(direction.slice(1, 0, std::nullopt, 2),
                                        direction.slice(1, 1, std::nullopt, 2).transpose(1, 2));
  const at::Tensor scores = at::round(cosines / kCosineStep) * kCosineStep;
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  scores.slice(1, 0, (prefix + 1) / 2).fill_(kNever);
  scores.slice(2, 0, prefix / 2).fill_(kNever);
  const auto [best, partner] = scores.max(-1);  // the first one on a tie
  const at::Tensor order = best.argsort(/*stable=*/true, -1, /*descending=*/true);
  const at::Tensor gone = order.slice(1, 0, count);
  return {std::get<0>(order.slice(1, count).sort(-1)), gone, partner.gather(1, gone)};
}

// Prefix tokens come first, in their order, then the rest of each half. kept [B, a, ...], second [B, b, ...].
at::Tensor arrange(const at::Tensor& kept, const at::Tensor& second, int64_t prefix) {
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < prefix; ++i)
    parts.push_back((i % 2 == 0 ? kept : second).slice(1, i / 2, i / 2 + 1));
  parts.push_back(kept.slice(1, (prefix + 1) / 2));
  parts.push_back(second.slice(1, prefix / 2));
  return at::cat(parts, 1);
}

// The new index of each of n tokens: [B, n].
at::Tensor new_places(const Matching& m, int64_t n, int64_t prefix) {
  const int64_t batch = m.kept.size(0), half = n / 2;
  const at::Tensor second = at::arange(half, m.kept.options()).mul(2).add(1).expand({batch, half});
  const at::Tensor order = arrange(m.kept * 2, second, prefix);  // old index of every remaining token
  at::Tensor place = at::empty({batch, n}, order.options());
  place.scatter_(1, order, at::arange(order.size(1), order.options()).expand_as(order));
  return place.scatter(1, m.gone * 2, place.gather(1, m.target * 2 + 1));
}

}  // namespace

at::Tensor merge_tokens(const at::Tensor& y, const at::Tensor& metric, int64_t prefix, int64_t count,
                        MergedTokens& merged) {
  const int64_t n = y.size(1);
  if (count < 0 || count > (n - prefix) / 2) {
    throw std::invalid_argument("[model::merge_tokens] " + std::to_string(count) + " pairs of " +
                                std::to_string(n) + " tokens, " + std::to_string(prefix) +
                                " of which are kept: at most half of the others can be merged");
  }
  if (count == 0) return y;
  const Matching m = match(metric, prefix, count);
  const at::Tensor sizes = merged.any() ? merged.sizes : at::ones({y.size(0), n}, y.options());
  const at::Tensor weighted = at::cat({y * sizes.unsqueeze(-1), sizes.unsqueeze(-1)},
                                      2);  // [B, N, C + 1]: sums, and their divisors
  const at::Tensor first = weighted.slice(1, 0, std::nullopt, 2),
                   second = weighted.slice(1, 1, std::nullopt, 2);
  const at::Tensor sums = second.scatter_add(1, m.target.unsqueeze(-1).expand({-1, -1, weighted.size(2)}),
                                             rows_of(first, m.gone));
  const at::Tensor all = arrange(rows_of(first, m.kept), sums, prefix);
  const at::Tensor place = new_places(m, n, prefix);
  merged.place = merged.place.defined() ? place.gather(1, merged.place) : place;
  merged.sizes = all.select(2, y.size(2)).detach();
  return all.slice(2, 0, y.size(2)) / merged.sizes.unsqueeze(-1);
}

at::Tensor spread_tokens(const at::Tensor& x, const MergedTokens& merged) {
  return merged.any() ? rows_of(x, merged.place) : x;
}

at::Tensor mean_of_tokens(const at::Tensor& x, int64_t prefix, const MergedTokens& merged) {
  if (!merged.any()) return x.slice(1, prefix).mean(1);
  const at::Tensor weights = merged.sizes.slice(1, prefix).unsqueeze(-1).to(x.scalar_type());
  return (x.slice(1, prefix) * weights).sum(1) / weights.sum(1);
}

}  // namespace vitrim::model
