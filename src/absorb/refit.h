#pragma once
// Ridge refits of one matrix of a block.

#include "vitrim/absorb/absorb.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

/// Refits the last projection of a pruned or static attention, so that the stream after it equals the
/// teacher's. `input` is the student's own stream; both are [n, N, C], before the block. The layer scale is
/// folded in.
void ridge_projection(model::Model& student, const model::Model& teacher, int index, const at::Tensor& input,
                      const at::Tensor& teacher_input, const AbsorbOptions& options);
/// Refits fc2, so that the block's output equals `target`. The layer scale is folded in.
void ridge_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
                 const AbsorbOptions& options);

}  // namespace vitrim::absorb
