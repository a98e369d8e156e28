#pragma once
// Ridge refits of one matrix of a block.

#include "vitrim/absorb/absorb.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

/// The last projection of a pruned or static attention: the stream after it is to be the teacher's, from the
/// student's own stream `input`; both [n, N, C] before the block. Its layer scale is folded in.
void ridge_projection(model::Model& student, const model::Model& teacher, int index, const at::Tensor& input,
                      const at::Tensor& teacher_input, const AbsorbOptions& options);
/// fc2: the block's output is to be `target`. Its layer scale is folded in.
void ridge_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
                 const AbsorbOptions& options);

}  // namespace vitrim::absorb
