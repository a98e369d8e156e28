#pragma once
// Parameters and MACs of an architecture, counted from its ModelSpec.

#include <cstdint>
#include <vector>

#include "vitrim/core/artifacts.h"

namespace vitrim::eval {

/// One MAC is one multiply-add. Counted: matrix products and convolutions of one image, q.k and attn.v
/// included; not counted: norms, activations, biases, position embeddings.
struct ModelCost {
  int64_t params = 0, macs = 0;
  int64_t embed_params = 0,
          embed_macs = 0;  ///< patch embedding, tokens, position embedding, norm_pre, steps between stages
  int64_t head_params = 0, head_macs = 0;  ///< final norms and classifiers
  std::vector<BlockCost> blocks;
};

ModelCost count_cost(const ModelSpec& spec);

}  // namespace vitrim::eval
