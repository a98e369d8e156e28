#pragma once
// The memory of one thread for a model with stages, laid out once for the largest blocks.

#include <algorithm>

#include "runtime/stage_weights.h"

namespace vitrim::runtime {

/// Number of query rows whose scores are held at a time; fewer if there are many keys.
inline int64_t query_rows(int64_t keys) { return keys <= 256 ? 64 : 32; }
/// Number of regions of this many tokens that go through an attention together.
inline int64_t regions_together(int64_t tokens) { return std::max<int64_t>(1, kRowsTogether / tokens); }
/// Number of rows in a stage's first product; they contain whole patches.
inline constexpr int64_t kPatchRows = 208;
/// Number of images whose hidden values of the MLP are held together if there is a convolution between its
/// layers.
inline int64_t images_together(int64_t tokens) {
  return std::clamp<int64_t>(kRowsTogether / tokens, 1, kGroup);
}

template <typename T>
struct StageMemory {
  // For a group of images; threads that share a group use the memory of the first thread.
  Buffer<float> x, next, reduced_factors;
  Buffer<T> mixed, reduced, map_hidden, fixed_values;
  // For some regions; threads that share a region use the memory of the first thread.
  Buffer<T> q, k, v, few_v, out, keys, values, summaries;
  Buffer<float> key_sums;
  // For one thread.
  Buffer<T> normed, hidden, patches, p, transposed, summary_rows;
  Buffer<float> wide, scores, inverse_sums, summary, scratch, fixed_scratch, factors;
  int64_t bytes = 0;

  explicit StageMemory(const StageWeights<T>& weights) {
    Sizes s;
    for (size_t i = 0; i < weights.steps.size(); ++i)
      s.add(weights.steps[i], weights.spec.stage_grid(static_cast<int>(i)).size());
    for (const StageBlock<T>& block : weights.blocks) s.add(block);
    x = make<float>(s.stream);
    next = make<float>(s.stream);
    mixed = make<T>(s.mixed);
    reduced = make<T>(s.reduced);
    reduced_factors = make<float>(s.reduced_rows);
    map_hidden = make<T>(s.map_hidden);
    fixed_values = make<T>(s.fixed);
    fixed_scratch = make<float>(s.fixed_scratch);
    q = make<T>(s.q);
    k = make<T>(s.k);
    v = make<T>(s.v);
    few_v = make<T>(s.few_v);
    out = make<T>(s.v);
    keys = make<T>(s.keys);
    values = make<T>(s.values);
    summaries = make<T>(s.summaries);
    key_sums = make<float>(s.key_sums);
    normed = make<T>(padded_rows(kRowsTogether) * s.normed_width);
    hidden = make<T>(s.hidden);
    patches = make<T>(padded_rows(kPatchRows) * s.patch);
    p = make<T>(s.p);
    transposed = make<T>(s.transposed);
    summary_rows = make<T>(s.summary);
    wide = make<float>(padded_rows(kPatchRows) * std::max(s.dim, s.patch));
    scores = make<float>(s.scores);
    inverse_sums = make<float>(padded_rows(kRowsTogether));
    summary = make<float>(s.summary);
    factors = make<float>(padded_rows(std::max(kRowsTogether, s.tile)));
    scratch = make<float>(padded_rows(std::max({kRowsTogether, s.tile, s.qk_pad})) * kPanel);
  }

 private:
  struct Sizes {
    int64_t stream = 0, mixed = 0, reduced = 0, reduced_rows = 0, map_hidden = 0, q = 0, k = 0, v = 0,
            few_v = 0, keys = 0, values = 0, summaries = 0, key_sums = 0;
    int64_t normed_width = 0, tile = 0, hidden = 0, patch = 0, p = 0, transposed = 0, summary = 0, scores = 0,
            dim = 0, qk_pad = 0, fixed = 0, fixed_scratch = 0;

    static void grow(int64_t& size, int64_t needed) { size = std::max(size, needed); }
    void add(const StepWeights<T>& step, int64_t tokens) {
      grow(stream, padded_rows(kGroup * tokens) * step.matrix.valid);
      grow(patch, round_up(step.matrix.k, 32));
      grow(dim, step.matrix.valid);
    }
    void add(const StageBlock<T>& block) {
      const int64_t tokens = block.grid.size();
      grow(stream, padded_rows(kGroup * tokens) * block.dim);
      grow(dim, block.dim);
      grow(normed_width, round_up(block.dim, 32));
      // A tile of a map consists of whole lines.
      const int64_t rows = std::max(kRowsTogether, block.grid.width);
      grow(tile, rows);
      grow(hidden, padded_rows(rows) * block.mlp.hidden_width());
      if (block.mlp_filter.side > 0)
        grow(map_hidden, padded_rows(images_together(tokens) * tokens) * block.mlp.hidden_width());
      if (!block.attends()) return;
      grow(mixed, padded_rows(kGroup * tokens) * block.mixed_width());
      if (block.fixed.any()) {
        grow(fixed, padded_rows(kGroup * tokens) * block.fixed.channels());
        grow(fixed_scratch, block.fixed.scratch());
      }
      grow(qk_pad, block.qk_pad);
      if (block.reduces()) {
        grow(reduced, padded_rows(kGroup * block.key_tokens()) * round_up(block.dim, 32));
        grow(reduced_rows, padded_rows(kGroup * block.key_tokens()));
        grow(patch, round_up(block.reduce.k, 32));
      }
      for (const BranchWeights<T>& branch : block.branches) add(block, branch);
    }
    void add(const StageBlock<T>& block, const BranchWeights<T>& branch) {
      const int64_t n = branch.regions.size(), m = branch.keys, count = regions_together(n),
                    heads = branch.heads;
      grow(q, padded_rows(count * n) * heads * block.qk_pad);
      grow(k, padded_rows(count * m) * heads * block.qk_pad);
      grow(v, padded_rows(count * std::max(n, m)) * heads * block.v_pad);
      grow(values, count * heads * round_up(m, 32) * block.v_pad);
      if (block.linear()) {
        if (block.reduces()) grow(few_v, padded_rows(count * m) * heads * block.v_pad);
        grow(summaries, count * heads * block.qk_pad * block.v_pad);
        grow(key_sums, count * heads * block.qk_pad);
        grow(transposed, padded_rows(block.qk_pad) * round_up(m, 32));
        grow(summary, padded_rows(block.qk_pad) * block.v_pad);
      } else {
        grow(keys, count * heads * round_up(m, kColumnStep) * block.qk_pad);
        grow(p, padded_rows(query_rows(m)) * round_up(m, 32));
        grow(scores, padded_rows(query_rows(m)) * round_up(m, kColumnStep));
      }
    }
  };

  template <typename U>
  Buffer<U> make(int64_t count) {
    Buffer<U> buffer(count);
    bytes += buffer.bytes();
    return buffer;
  }
};

}  // namespace vitrim::runtime
