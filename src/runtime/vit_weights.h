#pragma once
// A ViT's weights in the engine's form. LayerNorm's gain and shift are folded into the next layer unless that
// is quantised, LayerScale into the previous layer, and the attention's scale (and log2 e, so that softmax
// uses powers of two) into the queries.

#include <vector>

#include "runtime/attention_static.h"
#include "runtime/layers.h"
#include "vitrim/checkpoint/tensor_view.h"
#include "vitrim/core/model_spec.h"

namespace vitrim::runtime {

template <typename T>
struct HeadWeights {
  Matrix<T> q;   ///< -> qk_pad columns
  Matrix<T> kv;  ///< -> qk_pad columns of k, then v_pad of v
};

template <typename T>
struct BlockWeights {
  std::vector<HeadWeights<T>> heads;  ///< empty: no attention, or static attention
  StaticWeights<T> fixed;
  NormWeights norm1;  ///< norm1, if it is not folded
  Matrix<T> proj;
  MlpWeights<T> mlp;
  NormWeights q_norm, k_norm;
  float stream_gain = 1;
};

template <typename T>
struct VitWeights {
  ModelSpec spec;
  Matrix<T> patches;    ///< patch pixels -> stream; its bias is in `start`
  Buffer<float> start;  ///< [tokens, C]: position embeddings, tokens before the patches, the patches' bias
  std::vector<BlockWeights<T>> blocks;
  NormWeights norm_pre, norm, fc_norm;
  Matrix<T> head;  ///< features -> logits; for a distilled model both features, with half of each head
  int64_t bytes = 0;

  VitWeights(const ModelSpec& spec, const checkpoint::Checkpoint& weights);
  int64_t prefix() const { return spec.prefix_tokens(); }
};

/// Number of channels of q and k in memory: they are a left operand with padded depth.
inline int64_t padded_qk(const BlockSpec& block) { return round_up(block.qk_dim, 32); }
inline int64_t padded_v(const BlockSpec& block) { return round_up(block.v_dim, kColumnStep); }

}  // namespace vitrim::runtime
