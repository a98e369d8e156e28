#pragma once
// Functions that kinds of attention share: queries, keys and values from tokens, and softmax(q k^T) v.

#include "model/attention.h"

namespace vitrim::model {

/// q [B, T, qk_width], k [B, M, qk_width], v [B, M, v_width]; M < N if a spatial reduction makes a smaller
/// map of keys.
struct Projected {
  at::Tensor q, k, v;
};
/// `tokens` selects the queries; undefined: all.
Projected project(const Model& model, const AttentionSite& site, const at::Tensor& x,
                  const at::Tensor& tokens);

/// [.., T, heads * width] -> [.., heads, T, width], and back.
at::Tensor split_heads(const at::Tensor& t, int64_t heads);
at::Tensor join_heads(const at::Tensor& t);
/// [heads, width] -> [heads * width] in the dtype of `like`.
at::Tensor flat_gate(const at::Tensor& gate, const at::Tensor& like);

/// softmax(q k^T / sqrt(width) + bias) v for [.., heads, T, width]; `bias` may be undefined.
at::Tensor softmax_attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& bias);

/// Cuts a map into windows, [B, N, C] -> [B * windows, height * width, C], windows row by row; and back.
at::Tensor to_windows(const at::Tensor& t, Grid map, Grid window);
at::Tensor from_windows(const at::Tensor& t, Grid map, Grid window);
/// The map rolled by -shift (or back by +shift) in both directions; t [B, N, C].
at::Tensor roll_map(const at::Tensor& t, Grid map, int64_t shift);

}  // namespace vitrim::model
