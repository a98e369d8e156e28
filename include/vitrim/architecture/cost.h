#pragma once
// Multiply-adds of one image, by part. Exact functions of the spec.

#include <cstdint>
#include <vector>

#include "vitrim/core/model_spec.h"

namespace vitrim::architecture {

/// How many tokens of an image somebody reads after the attention of a block: 0 stands for all. Where the
/// classifier reads tokens before the patches only, what stands after the last attention is needed for those
/// alone. One entry a block.
std::vector<int64_t> live_tokens(const ModelSpec& spec);

/// With `live` > 0 (as live_tokens()) only so many queries, and everything after them.
int64_t attention_macs(const ModelSpec& spec, int block, int64_t live = 0);
int64_t mlp_macs(const ModelSpec& spec, int block, int64_t live = 0);
int64_t embedding_macs(const ModelSpec& spec);  ///< patch embedding and all steps between stages
int64_t classifier_macs(const ModelSpec& spec);
int64_t total_macs(const ModelSpec& spec);
/// total_macs() less what nobody reads: live_tokens().
int64_t live_macs(const ModelSpec& spec);

}  // namespace vitrim::architecture
