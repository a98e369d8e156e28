#pragma once
// Focused linear attention (Han et al. 2023, FLatten): phi(q) (phi(k)^T v), where phi sharpens directions
// without changing lengths.

#include "model/attention.h"

namespace vitrim::model {

/// q [R, n, heads * qk], k [R, m, heads * qk], v [R, m, heads * v] -> [R, n, heads * v], including the
/// depthwise filter of v. The filter reads v as a map of `map`'s size (n tokens; if m < n, v is interpolated
/// over the flattened tokens). `gate` is [heads, qk] or undefined.
at::Tensor focused_attend(const Model& model, const AttentionSite& site, const std::string& names,
                          const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                          Grid map, const at::Tensor& gate);
/// phi(q) and phi(k), split into heads: [R, heads, n, qk], [R, heads, m, qk].
struct Focused {
  at::Tensor q, k;
};
Focused focus(const Model& model, const AttentionSite& site, const std::string& names, const at::Tensor& q,
              const at::Tensor& k, int64_t heads, const at::Tensor& gate);

}  // namespace vitrim::model
