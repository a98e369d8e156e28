#pragma once
// The weights of a model with stages in the engine's form. LayerNorm's gain and shift are folded into the
// next layer if that layer reads nothing else and is not quantised, LayerScale into the previous layer, and
// the scale of softmax (and log2 e) into the queries. Heads are stored side by side, each padded.

#include <vector>

#include "runtime/attention_static.h"
#include "runtime/layers.h"
#include "runtime/regions.h"
#include "vitrim/architecture/attention.h"

namespace vitrim::runtime {

/// Depthwise filters, zero at padded channels.
struct FilterWeights {
  int64_t side = 0, channels = 0;  ///< side 0: none
  Buffer<float> taps, bias;        ///< [side * side, channels], [channels]
  int64_t bytes() const { return taps.bytes() + bias.bytes(); }
};

/// How a stage begins.
template <typename T>
struct StepWeights {
  architecture::StepLayout layout;
  int64_t channels = 0;  ///< input channels
  Matrix<T> matrix;  ///< weights for rows [down, across, channels], or [channels, down, across] for images
  NormWeights before, after;
  std::vector<float> positions;  ///< [tokens, C]
};

/// The heads that share regions: all heads of a block, or half of CSwin's.
template <typename T>
struct BranchWeights {
  int64_t first_head = 0, heads = 0;
  int64_t keys = 0;  ///< keys per region
  Regions regions;
  Matrix<T> q, k, v;  ///< -> heads * qk_pad, heads * qk_pad, heads * v_pad columns
  Buffer<float> bias,
      masks;  ///< masks of windows, times log2 e: [heads, n, columns of scores]; [3, n, columns], for edges 1
              ///< to 3
  Buffer<float> factor,
      offset;  ///< focused attention: [heads * qk_pad] reciprocal of the scale, zero at padding; [keys, heads
               ///< * qk_pad]
  FilterWeights filter;  ///< depthwise filter of v, on the map of the region
  int64_t bytes() const;
};

template <typename T>
struct StageBlock {
  AttentionKind kind = AttentionKind::kNone;
  Grid grid;
  int64_t dim = 0, heads = 0, qk_pad = 0, v_pad = 0, sr_ratio = 1, focusing = 3;
  float stream_gain = 1;
  std::vector<BranchWeights<T>> branches;  ///< none: no attention, or static attention
  StaticWeights<T> fixed;
  NormWeights norm1, key_norm;  ///< norms before q (and before keys and values if the map is not reduced),
                                ///< and before reduced k and v; if they are not folded
  Matrix<T> reduce;  ///< weights that reduce the map of keys: [down, across, C] -> C; its norm is folded into
                     ///< k and v
  Matrix<T> proj;    ///< weights of the last projection, for rows of heads * v_pad
  MlpWeights<T> mlp;
  FilterWeights mlp_filter;

  bool attends() const { return !branches.empty() || fixed.any(); }
  bool linear() const { return is_linear_attention(kind); }
  bool reduces() const { return sr_ratio > 1; }
  int64_t key_tokens() const { return grid.size() / (sr_ratio * sr_ratio); }
  int64_t mixed_width() const { return round_up(heads * v_pad, 32); }
  int64_t bytes() const;
};

template <typename T>
struct StageWeights {
  ModelSpec spec;
  std::vector<StepWeights<T>> steps;  ///< one per stage
  std::vector<StageBlock<T>> blocks;
  NormWeights norm;
  Matrix<T> head;
  int64_t bytes = 0;

  StageWeights(const ModelSpec& spec, const checkpoint::Checkpoint& weights);
};

}  // namespace vitrim::runtime
