#pragma once
// Parameters and MACs of an architecture, counted from its ModelSpec.

#include <cstdint>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::eval {

/// Parameters and MACs. One MAC is one multiply-add. Matrix products and convolutions of one image count,
/// including q.k and attn.v; norms, activations, biases and position embeddings do not.
struct ModelCost {
  int64_t params = 0, macs = 0;
  int64_t embed_params = 0,
          embed_macs = 0;  ///< patch embedding, tokens, position embedding, norm_pre, steps between stages
  int64_t head_params = 0, head_macs = 0;  ///< final norms and classifiers
  std::vector<BlockCost> blocks;
};

ModelCost count_cost(const ModelSpec& spec);

}  // namespace vitrim::eval
