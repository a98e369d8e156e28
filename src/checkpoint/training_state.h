#pragma once
// The top-level entries of a training script's file that are not weights.

#include <string_view>

namespace vitrim::checkpoint {

/// True for "optimizer", "lr_scheduler", "scaler", "epoch", "rng_state", ... (one component of a dotted
/// name).
bool is_training_state(std::string_view key);

}  // namespace vitrim::checkpoint
