#pragma once
#include <cstdint>

namespace vitrim::select {

/// Number of ways to choose `count` of `total`, capped at `cap` (the exact number soon needs more than 64
/// bits).
int64_t combinations(int total, int count, int64_t cap);

}  // namespace vitrim::select
