#pragma once
// Multiply-adds (MACs) of one image, part by part. They are exact functions of the spec.

#include <cstdint>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// How many tokens are still used after the attention of each block, one entry per block; 0 means all. If the
/// classifier reads only the tokens before the patches, everything after the last attention is needed for
/// those tokens only.
std::vector<int64_t> live_tokens(const ModelSpec& spec);

/// MACs of one block's attention or MLP. With `live` > 0 (as live_tokens() returns it), only that many
/// queries, and everything that follows from them, are counted.
int64_t attention_macs(const ModelSpec& spec, int block, int64_t live = 0);
int64_t mlp_macs(const ModelSpec& spec, int block, int64_t live = 0);
int64_t embedding_macs(
    const ModelSpec& spec);  ///< patch embedding and all steps that lead from stage to stage
int64_t classifier_macs(const ModelSpec& spec);
int64_t total_macs(const ModelSpec& spec);
/// total_macs() without the work on tokens that nothing reads (live_tokens()).
int64_t live_macs(const ModelSpec& spec);

}  // namespace vitrim::architecture
