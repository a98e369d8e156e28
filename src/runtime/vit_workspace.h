#pragma once
// The memory of one thread, laid out once for a model's widest block.

#include <algorithm>
#include <vector>

#include "runtime/memory.h"
#include "runtime/merge_rows.h"
#include "runtime/vit_weights.h"

namespace vitrim::runtime {

/// Number of query rows whose scores are held at a time; they stay in the L1 cache together with the panel of
/// keys.
inline constexpr int64_t kQueryRows = 32;

/// Widths that are large enough for every block.
struct Widest {
  int64_t tokens = 0, dim = 0, qk = 0, v = 0, heads_v = 0, mlp = 0, depth = 0, fixed = 0, fixed_scratch = 0,
          merged_keys = 0;
  bool merges = false, qk_norm = false;
  template <typename T>
  explicit Widest(const VitWeights<T>& weights) {
    const ModelSpec& spec = weights.spec;
    tokens = spec.num_tokens();
    dim = spec.embed_dim;
    merges = spec.merges();
    qk_norm = spec.qk_norm;
    for (const BlockWeights<T>& block : weights.blocks) {
      if (!block.fixed.any()) continue;
      fixed = std::max(fixed, block.fixed.channels());
      fixed_scratch = std::max(fixed_scratch, block.fixed.scratch());
    }
    for (const BlockSpec& block : spec.blocks) {
      mlp = std::max(mlp, round_up(block.mlp_dim, 64));
      if (block.attention == AttentionKind::kNone) continue;
      heads_v = std::max(heads_v, round_up(block.num_heads * block.v_dim, 32));
      if (block.attention == AttentionKind::kStatic) continue;
      qk = std::max(qk, padded_qk(block));
      v = std::max(v, padded_v(block));
      if (block.merge > 0) merged_keys = std::max(merged_keys, block.num_heads * padded_qk(block));
    }
    depth = round_up(std::max<int64_t>(qk, 16), 16);
  }
};

template <typename T>
struct Workspace {
  // For a group of images; threads that share a group use the memory of the first thread. The rows of the
  // images are consecutive.
  Buffer<float> x, merged_x, metric, normed_factors;
  Buffer<T> normed, mixed, head_keys, fixed_values;
  std::vector<RowMerger> mergers;  // one per image
  // For one thread.
  Buffer<T> pixels, q, kv, keys, values, p, tile_normed, hidden;
  Buffer<float> tile_factors, wide, scores, inverse_sums, scratch, row, fixed_scratch;
  int64_t bytes = 0;

  Workspace(const ModelSpec& spec, const Widest& w, int64_t group, int64_t tile_rows)
      : x(padded_rows(group * w.tokens) * w.dim),
        merged_x(w.merges ? padded_rows(group * w.tokens) * w.dim : 0),
        metric(w.merges ? padded_rows(group * w.tokens) * w.depth : 0),
        normed_factors(padded_rows(group * w.tokens)),
        normed(padded_rows(group * w.tokens) * round_up(w.dim, 32)),
        mixed(padded_rows(group * w.tokens) * w.heads_v),
        head_keys(w.merged_keys * group * w.tokens),
        fixed_values(w.fixed > 0 ? padded_rows(group * w.tokens) * w.fixed : 0),
        pixels(padded_rows(spec.stage_grid(0).width) *
               round_up(spec.in_channels * spec.patch_size * spec.patch_size, 32)),
        q(padded_rows(w.tokens) * w.qk),
        kv(padded_rows(w.tokens) * (w.qk + w.v)),
        keys(round_up(w.tokens, kColumnStep) * w.qk),
        values(round_up(w.tokens, 32) * w.v),
        p(padded_rows(kQueryRows) * round_up(w.tokens, 32)),
        tile_normed(padded_rows(tile_rows) * round_up(w.dim, 32)),
        hidden(padded_rows(tile_rows) * w.mlp),
        tile_factors(padded_rows(std::max(group * w.tokens, tile_rows))),
        wide(w.qk_norm ? padded_rows(w.tokens) * (w.qk + w.v) : 0),
        scores(padded_rows(kQueryRows) * round_up(w.tokens, kColumnStep)),
        inverse_sums(padded_rows(kQueryRows)),
        scratch(padded_rows(std::max(w.tokens, tile_rows)) * kPanel),
        row(4 * w.dim),
        fixed_scratch(w.fixed_scratch) {
    for (int64_t i = 0; w.merges && i < group; ++i) {
      mergers.emplace_back(w.tokens, w.dim, w.depth);
      bytes += mergers.back().bytes();
    }
    for (const int64_t part : {x.bytes(),
                               merged_x.bytes(),
                               metric.bytes(),
                               normed_factors.bytes(),
                               tile_factors.bytes(),
                               normed.bytes(),
                               mixed.bytes(),
                               pixels.bytes(),
                               q.bytes(),
                               kv.bytes(),
                               keys.bytes(),
                               values.bytes(),
                               p.bytes(),
                               tile_normed.bytes(),
                               hidden.bytes(),
                               wide.bytes(),
                               scores.bytes(),
                               inverse_sums.bytes(),
                               scratch.bytes(),
                               head_keys.bytes(),
                               row.bytes(),
                               fixed_values.bytes(),
                               fixed_scratch.bytes()}) {
      bytes += part;
    }
  }
};

}  // namespace vitrim::runtime
