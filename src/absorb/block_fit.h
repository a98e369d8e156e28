#pragma once
// Fits one whole block of the student to the teacher's output of that block by AdamW on sampled tokens.

#include <ATen/core/Tensor.h>

#include "vitrim/absorb/absorb.h"
#include "vitrim/model/model.h"

namespace vitrim::absorb {

/// input: the student's stream before the block, target: the teacher's after it, both [n, N, C], of the
/// images to fit.
void fit_block(model::Model& student, int index, const at::Tensor& input, const at::Tensor& target,
               const AbsorbOptions& options);

}  // namespace vitrim::absorb
